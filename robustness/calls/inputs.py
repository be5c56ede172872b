"""Draw valid inputs of the public call: every container, dtype, memory layout, value pattern and option."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from bridgenet_infer.arrays import Array
from bridgenet_infer.pipeline.validate import DEPTH_DTYPES
from robustness.draw import Generator, pick

LARGEST = 112  # HR pixels: tiles of 64 make two of it

# least and largest depth; the last of each dtype reaches its limits
RANGES: dict[str, list[tuple[float, float]]] = {
    "uint8": [(10, 250), (100, 110), (1, 255)],
    "uint16": [(300, 10_000), (1, 3), (60_000, 65_535), (1, 65_535)],
    "uint32": [(300, 10_000), (2**32 - 900, 2**32 - 1), (1, 2**32 - 1)],
    "int16": [(300, 10_000), (1, 3), (1, 2**15 - 1)],
    "int32": [(300, 10_000), (2**31 - 900, 2**31 - 1), (1, 2**31 - 1)],
    "float16": [(0.3, 10), (1e-3, 1e-2), (65_000, 65_504), (1e-4, 65_504)],
    "float32": [(0.3, 10), (300, 10_000), (1e-30, 1e-28), (1e30, 1e32), (1e-37, 3.4e38)],
    "float64": [(0.3, 10), (300, 10_000), (1e-300, 1e-298), (1e300, 1e302), (1e-307, 1.7e308)],
}
PIL_DEPTH = ("uint8", "uint16", "int32", "float32")
PIL_RGB = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F", "I;16", "I;16B")


@dataclass(frozen=True)
class Case:
    """One call and the facts that are known about it.

    Attributes
    ----------
    expect
        "result", "refusal" (TypeError or ValueError), or "either".
    what
        What makes it special.
    lr_depth, rgb, options
        As the public call takes them.
    predict
        Whether `DepthUpsampler.predict` is called, which gives details.
    raw
        (B, h, w) the depth in native byte order.
    invalid
        The further marker of holes, None if there is none.
    container, batched
        Kind of `lr_depth`: "numpy", "pil" or "torch".
    size
        (H, W) of the RGB image.
    """

    expect: str
    what: str
    rgb: Any
    lr_depth: Any
    options: dict[str, Any]
    predict: bool
    raw: Array
    invalid: Any
    container: str
    batched: bool
    size: tuple[int, int]


def draw_case(rng: Generator) -> Case:
    """A call that is valid by construction."""
    scale = float(pick(rng, [2, 3, 4, 8, 16, round(rng.uniform(2, 16), 2)]))
    low = draw_low_size(rng, scale)
    size = draw_high_size(rng, low, scale)
    container = pick(rng, ["numpy", "numpy", "torch", "pil"])
    dtype = pick(rng, PIL_DEPTH if container == "pil" else DEPTH_DTYPES)
    batched = container != "pil" and rng.random() < 0.3
    values, pattern = draw_values(rng, dtype, (int(rng.integers(1, 4)) if batched else 1, *low))
    raw, invalid = punch_holes(rng, values)
    lr_depth, raw = pack_depth(rng, raw, container, batched)
    rgb = pack_rgb(rng, draw_rgb(rng, (len(raw), *size)), batched)
    options = draw_options(rng, scale)
    if invalid is not None:
        options["invalid"] = invalid
    predict = rng.random() < 0.5
    if predict and rng.random() < 0.5:
        options["estimate_depth"] = True
    return Case("result", pattern, rgb, lr_depth, options, predict, raw, invalid, container, batched, size)


def draw_options(rng: Generator, scale: float) -> dict[str, Any]:
    """Keyword arguments; those left out have their defaults."""
    options: dict[str, Any] = {}
    given = rng.choice(["auto", "left out", "number"])
    if given == "number":
        kinds: list[Callable[[float], Any]] = [float, np.float64, *([int, np.int64] if scale.is_integer() else [])]
        options["scale"] = pick(rng, kinds)(scale)
    elif given == "auto":
        options["scale"] = "auto"
    choices: dict[str, list[Any]] = {
        "fill_holes": [True, False],
        "tile": ["auto", "whole", 64, 80, np.int64(96), 2**40],
    }
    options |= {name: pick(rng, values) for name, values in choices.items() if rng.random() < 0.5}
    return options


def draw_low_size(rng: Generator, scale: float) -> tuple[int, int]:
    """(h, w) from 1 x 1; long thin ones too."""
    most = max(int(LARGEST / scale) - 1, 1)
    usual = min(most, 12)
    limits = pick(rng, [(usual, usual), (usual, usual), (1, most), (most, 2), (most, usual)])
    return int(rng.integers(1, limits[0] + 1)), int(rng.integers(1, limits[1] + 1))


def draw_high_size(rng: Generator, low: tuple[int, int], scale: float) -> tuple[int, int]:
    """(H, W) with |H - h s| < s, mostly the nearest whole numbers."""
    if rng.random() < 0.6:
        return round(low[0] * scale), round(low[1] * scale)
    # a thousandth inside the limits, which are not
    spans = [(int((n - 1 + 1e-3) * scale) + 1, int((n + 1 - 1e-3) * scale)) for n in low]
    height, width = (int(rng.integers(least, most + 1)) for least, most in spans)
    return height, width


def draw_values(rng: Generator, dtype: str, shape: tuple[int, ...]) -> tuple[Array, str]:
    """(B, h, w) valid depth, and the name of its pattern."""
    low, high = pick(rng, RANGES[dtype])
    pattern = pick(rng, ["noise", "plane", "steps", "constant", "rows", "outlier", "wide"])
    y, x = np.linspace(0, 1, shape[1])[:, None], np.linspace(0, 1, shape[2])
    plane = (y * rng.random() + x * rng.random()) / 2
    patterns: dict[str, Callable[[], Any]] = {
        "noise": lambda: rng.random(shape),
        "plane": lambda: plane,
        "steps": lambda: (plane > rng.uniform(0, 0.5)) * 1.0,
        "constant": lambda: rng.random(),
        "rows": lambda: x,
        "outlier": lambda: np.where(rng.random(shape) < 0.03, 1, 0.01 * rng.random(shape)),
        "wide": lambda: rng.random(shape) ** 6,
    }
    share = np.broadcast_to(patterns[pattern](), shape)
    values = low * (1 - share) + high * share  # in this order nothing overflows
    return np.clip(values, low, high).astype(dtype), pattern


def punch_holes(rng: Generator, values: Array) -> tuple[Array, Any]:
    """Depth with holes, and the marker beside 0, NaN and infinities, if there is one."""
    raw = values.copy()
    kind = pick(rng, ["none", "none", "some", "many", "one left", "all"])
    if kind == "none":
        return raw, None
    floating = raw.dtype.kind == "f"
    marks: list[Any] = [0, 0.0, -0.0, np.nan, np.inf, -np.inf] if floating else [0]
    invalid: Any = None
    if rng.random() < 0.3:
        invalid = pick(rng, [-1, -9999.5, 60_000, 0.1] if floating else [255, 7, np.int64(9)])
        marks += 3 * [invalid]
    hit = rng.random(raw.shape) < {"some": 0.2, "many": 0.9}.get(kind, 1)
    raw[hit] = rng.choice(np.array(marks, raw.dtype), int(hit.sum()))
    if kind == "one left":
        place = tuple(int(rng.integers(side)) for side in raw.shape)
        raw[place] = values[place]
    return raw, invalid


def pack_depth(rng: Generator, raw: Array, container: str, batched: bool) -> tuple[Any, Array]:
    """The depth in its container, and as a plain array (repeated rows change it)."""
    if container == "pil":
        if raw.dtype == np.uint16 and rng.random() < 0.3:
            return Image.frombytes("I;16B", raw.shape[:0:-1], raw[0].astype(">u2").tobytes()), raw
        return Image.fromarray(raw[0]), raw
    if rng.random() < 0.1:
        raw = np.broadcast_to(raw[:, :1], raw.shape)
    view = raw if batched else raw[0]
    return (lay_out(rng, view) if container == "numpy" else to_tensor(rng, view)), np.array(raw)


def lay_out(rng: Generator, array: Array) -> Array:
    """The same values in another memory layout."""
    last = array.ndim - 1

    def spread() -> Array:
        wide = np.zeros([2 * side for side in array.shape], array.dtype)
        wide[(slice(1, None, 2),) * array.ndim] = array
        return wide[(slice(1, None, 2),) * array.ndim]

    def unaligned() -> Array:
        return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)

    def locked() -> Array:
        copy: Array = array.copy()
        copy.flags.writeable = False
        return copy

    layouts: list[Callable[[], Array]] = [
        array.copy,
        lambda: array,  # broadcast rows stay broadcast
        lambda: np.asfortranarray(array),
        lambda: np.flip(np.flip(array, last).copy(), last),
        lambda: np.flip(np.flip(array).copy()),
        lambda: np.moveaxis(np.moveaxis(array, last, 0).copy(), 0, last),
        lambda: array.astype(array.dtype.newbyteorder(">")),
        spread,
        unaligned,
        locked,
        *([lambda: array.view(np.matrix)] if array.ndim == 2 else []),
    ]
    return pick(rng, layouts)()


def to_tensor(rng: Generator, array: Array) -> torch.Tensor:
    """The same values as a tensor, which may be transposed, strided, repeated or part of a graph."""
    tensor = torch.from_numpy(np.array(array))
    layouts: list[Callable[[], torch.Tensor]] = [
        lambda: tensor,
        lambda: tensor.movedim(-1, 0).contiguous().movedim(0, -1),
        lambda: tensor.repeat_interleave(2, -1)[..., ::2],
        lambda: tensor.requires_grad_(tensor.is_floating_point()),
        lambda: tensor[..., :1, :].expand_as(tensor) if (tensor == tensor[..., :1, :]).all() else tensor,
    ]
    if tensor.dtype in (torch.float32, torch.float64):
        layouts.append(lambda: torch.complex(tensor, -tensor).conj().imag)  # negated when it is read
    return pick(rng, layouts)()


def draw_rgb(rng: Generator, shape: tuple[int, ...]) -> Array:
    """(B, H, W, 1, 3 or 4) uint8: noise, flat, or two colours."""
    shape = (*shape, pick(rng, [1, 3, 3, 4]))
    kind = pick(rng, ["noise", "flat", "two"])
    if kind == "noise":
        return rng.integers(0, 256, shape, np.uint8)
    colours = rng.integers(0, 256, (2, shape[-1]), np.uint8)
    rgb: Array = np.broadcast_to(colours[0], shape).copy()
    if kind == "two":
        rgb[..., shape[2] // 2 :, :] = colours[1]
    return rgb


def pack_rgb(rng: Generator, rgb: Array, batched: bool) -> Any:
    """(B, H, W, C) uint8 in any container and dtype."""
    containers = ["numpy", "numpy", "torch", *(["pil"] if len(rgb) == 1 else [])]
    container = pick(rng, containers)
    if container == "pil":
        return draw_pil(rng, rgb[0])
    dtype = pick(rng, ["uint8", "uint8", "uint16", "float16", "float32", "float64"])
    array = (
        (rgb / 255).astype(dtype) if dtype.startswith("float") else rgb.astype(dtype) * (257 if "16" in dtype else 1)
    )
    single = len(array) == 1 and rng.random() < (0.3 if batched else 0.9)
    if container == "torch":
        channels_first = np.moveaxis(array[0] if single else array, -1, 0 if single else 1)
        tensor = to_tensor(rng, channels_first)
        return tensor.detach().bfloat16() if tensor.is_floating_point() and rng.random() < 0.2 else tensor
    view = array[0] if single else array
    if view.shape[-1] == 1 and rng.random() < 0.5 and (single or (batched and view.shape[-2] not in (1, 3, 4))):
        view = view[..., 0]
    return lay_out(rng, view)


def draw_pil(rng: Generator, pixels: Array) -> Image.Image:
    """An image of any mode that Pillow can turn into RGB."""
    mode = pick(rng, PIL_RGB)
    grey = Image.fromarray(pixels[..., 0])
    if mode.startswith("I;16"):
        stored = pixels[..., 0].astype(">u2" if mode.endswith("B") else "<u2") * 257
        return Image.frombytes(mode, grey.size, stored.tobytes())
    colour = Image.fromarray(pixels) if pixels.shape[-1] > 1 else grey
    return colour.convert("RGB").convert("LA").convert("PA") if mode == "PA" else colour.convert("RGB").convert(mode)
