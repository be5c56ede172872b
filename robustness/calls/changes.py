"""Wrong calls: one argument of a valid call is changed, so that the call must, or may, be refused."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from robustness.calls.inputs import Case, pack_depth
from robustness.draw import Generator, pick

Change = Callable[[Generator, Case], Case]

# "longdouble" is float128 here
WRONG_DTYPES = ("bool", "int8", "int64", "uint64", "longdouble", "complex64", "complex128", "object",
                "S3", "U3", "datetime64[s]", "timedelta64[s]", "V4", "f4,f4")  # fmt: skip
WRONG_TENSORS = (torch.bool, torch.int8, torch.int64, torch.complex64, torch.float8_e4m3fn)
NO_IMAGES: list[Any] = [None, "depth.png", b"\x89PNG", Path("depth.png"), [[1, 2], [3, 4]], 5, 2.5, {}, object,
                        np.float32(3), iter(()), memoryview(b"12"), Ellipsis]  # fmt: skip
DEPTH_MODES = ("L", "I;16", "I;16L", "I;16B", "I", "F")
ALL_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F",
             "I;16", "I;16L", "I;16B")  # fmt: skip


def wrong_depth_dtype(rng: Generator, case: Case) -> Case:
    """Dtypes that no depth has."""
    if rng.random() < 0.3:
        tensor = torch.zeros(case.raw.shape[1:], dtype=pick(rng, [*WRONG_TENSORS, torch.bfloat16]))
        return refused(case, lr_depth=tensor.conj() if tensor.is_complex() else tensor)
    return refused(case, lr_depth=np.zeros(case.raw.shape[1:], pick(rng, WRONG_DTYPES)))


def wrong_rgb_dtype(rng: Generator, case: Case) -> Case:
    """Dtypes that no image has."""
    if rng.random() < 0.3:
        return refused(
            case,
            rgb=torch.zeros((3, *case.size), dtype=pick(rng, [*WRONG_TENSORS, torch.int16, torch.int32, torch.uint32])),
        )
    return refused(case, rgb=np.zeros((*case.size, 3), pick(rng, [*WRONG_DTYPES, "int16", "int32", "uint32"])))


def wrong_kind(rng: Generator, case: Case) -> Case:
    """Objects that are no image at all."""
    return refused(case, **{pick(rng, ["rgb", "lr_depth"]): pick(rng, NO_IMAGES)})


def odd_tensor(rng: Generator, case: Case) -> Case:
    """Sparse and quantised tensors, and those without data."""
    dense = torch.ones(3, *case.size)
    kinds: list[Callable[[], torch.Tensor]] = [
        dense.to_sparse,
        dense[0].to_sparse_csr,
        lambda: dense.to("meta"),
        lambda: torch.quantize_per_tensor(dense, 0.1, 0, torch.quint8),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls them beta, or on their way out
        tensor = pick(rng, kinds)()
    return refused(case, **{pick(rng, ["rgb", "lr_depth"]): tensor})


def masked_depth(rng: Generator, case: Case) -> Case:
    """Masks, of which nothing would say whether they are holes."""
    depth = case.raw if case.batched else case.raw[0]
    return refused(case, lr_depth=np.ma.MaskedArray(depth, mask=depth < np.median(case.raw)))


def wrong_depth_shape(rng: Generator, case: Case) -> Case:
    """Too few or too many axes, none or too many pixels."""
    height, width = case.size
    shapes = [(), (5,), (0, 4), (4, 0), (0, 3, 3), (1, 1, 3, 3), (2, 3, 4, 1), (height, width), (1, 2 * width)]
    depth = np.ones(pick(rng, shapes), pick(rng, ["uint16", "float32"]))
    return refused(case, lr_depth=torch.from_numpy(depth) if rng.random() < 0.4 else depth)


def wrong_rgb_shape(rng: Generator, case: Case) -> Case:
    """Likewise; and another number of images or channels."""
    size, batch = case.size, len(case.raw)
    shapes = [
        (),
        (9,),
        (0, 5, 3),
        (5, 0, 3),
        (*size, 2),
        (*size, 5),
        (batch + 1, *size, 3),
        (1, 1, *size, 3),
        (*size, 0),
    ]
    shape = pick(rng, shapes)
    if rng.random() < 0.3:
        return refused(case, rgb=torch.zeros(pick(rng, [(), (9,), size, (*size, 5), (2, *size), (3, 0, 5)])))
    return refused(case, rgb=np.zeros(shape, pick(rng, ["uint8", "float32"])))


def wrong_rgb_values(rng: Generator, case: Case) -> Case:
    """Floats outside [0, 1], or not finite."""
    rgb = np.full((*case.size, 3), 0.5, pick(rng, ["float16", "float32", "float64"]))
    rgb[tuple(int(rng.integers(side)) for side in rgb.shape)] = pick(rng, [np.nan, np.inf, -np.inf, -1e-3, 1.01, 255])
    return refused(case, rgb=torch.from_numpy(np.moveaxis(rgb, -1, 0)) if rng.random() < 0.4 else rgb)


def negative_depth(rng: Generator, case: Case) -> Case:
    """Below zero, and not named as a marker."""
    depth = np.ones(case.raw.shape, pick(rng, ["int32", "float16", "float32", "float64"]))
    depth[tuple(int(rng.integers(side)) for side in case.raw.shape)] = pick(rng, [-1, -3e4])
    options = {name: value for name, value in case.options.items() if name != "invalid"}
    return refused(case, lr_depth=depth if case.batched else depth[0], options=options)


def wrong_scale(rng: Generator, case: Case) -> Case:
    """Out of range, of another type, or not that of the sizes."""
    factor = case.size[0] / case.raw.shape[1]
    odd = [0, -2, 1.9, 1, 16.1, 1e300, 10**400, np.nan, np.inf, -np.inf, True, False, None, "8", "Auto", "", b"auto",
           8j, [8], (8, 8), {}, np.array([2, 4]), np.array(4), torch.tensor(4.0), Decimal(4), Fraction(4), np.str_("8"),
           np.bool_(True), np.float16("nan"), 3 * factor]  # fmt: skip
    return refused(case, options=case.options | {"scale": pick(rng, odd)})


def wrong_tile(rng: Generator, case: Case) -> Case:
    """Off the grid, too small, or of another type."""
    odd = [0, -64, 1, 48, 65, 100, 63.5, 64.0, np.nan, True, None, "64", "AUTO", "", b"whole", [64], (64, 64),
           np.array([64, 64]), np.array(64), torch.tensor(64), 2**70 + 1, 8j]  # fmt: skip
    return refused(case, options=case.options | {"tile": pick(rng, odd)})


def wrong_invalid(rng: Generator, case: Case) -> Case:
    """A marker that is no number."""
    odd = ["0", "nan", b"0", [0], (0, 65535), {}, 1j, np.array([0, 1]), np.array("x"), object(), Ellipsis, np.str_("0")]
    return refused(case, options=case.options | {"invalid": pick(rng, odd)})


def odd_invalid(rng: Generator, case: Case) -> Case:
    """Numbers that no dtype holds, or only some."""
    odd: list[Any] = [np.nan, np.inf, 1e300, -1e300, 10**30, -(10**30), 10**400, 70_000, 0.5, True, np.float16(9),
                      np.float64(0.1), np.uint64(2**64 - 1), -0.0]  # fmt: skip
    marker = pick(rng, odd)
    return replace(
        case, expect="either", what="odd_invalid", options=case.options | {"invalid": marker}, invalid=marker
    )


def odd_sizes(rng: Generator, case: Case) -> Case:
    """Sizes that no scale may explain."""
    size = int(rng.integers(1, 150)), int(rng.integers(1, 150))
    options = {name: value for name, value in case.options.items() if name != "scale"}
    rgb = np.zeros((len(case.raw), *size, 3), np.uint8)
    return replace(
        case, expect="either", what="odd_sizes", rgb=rgb if case.batched else rgb[0], options=options, size=size
    )


def odd_rgb_mode(rng: Generator, case: Case) -> Case:
    """Every mode of Pillow, with any bytes."""
    image = draw_mode(rng, pick(rng, ALL_MODES), case.size)
    return replace(case, expect="either" if len(case.raw) == 1 else "refusal", rgb=image)


def wrong_depth_mode(rng: Generator, case: Case) -> Case:
    """Modes of Pillow that hold no depth."""
    mode = pick(rng, [mode for mode in ALL_MODES if mode not in DEPTH_MODES])
    return refused(case, lr_depth=draw_mode(rng, mode, (case.raw.shape[1], case.raw.shape[2])))


def extreme_values(rng: Generator, case: Case) -> Case:
    """Any positive floats side by side: subnormal to the largest."""
    dtype = pick(rng, ["float16", "float32", "float64"])
    limits = np.finfo(dtype)
    levels = [limits.smallest_subnormal, limits.tiny / 3, limits.tiny, limits.eps, 1, 3, limits.max / 2, limits.max]
    count = int(rng.integers(1, 4))
    raw = rng.choice(np.array([pick(rng, levels) for _ in range(count)], dtype), case.raw.shape)
    raw[rng.random(raw.shape) < rng.choice([0, 0.3])] = pick(rng, [0, np.nan, np.inf])
    container = pick(rng, ["numpy", "torch"])
    lr_depth, raw = pack_depth(rng, raw, container, case.batched)
    options = {name: value for name, value in case.options.items() if name != "invalid"}
    return replace(case, expect="either", lr_depth=lr_depth, raw=raw, container=container,
                   options=options, invalid=None)  # fmt: skip


REFUSALS: list[Change] = [wrong_depth_dtype, wrong_rgb_dtype, wrong_kind, odd_tensor, masked_depth, wrong_depth_shape,
                          wrong_rgb_shape, wrong_rgb_values, negative_depth, wrong_scale, wrong_tile, wrong_invalid,
                          wrong_depth_mode]  # fmt: skip
EITHERS: list[Change] = [odd_invalid, odd_sizes, odd_rgb_mode, extreme_values, extreme_values]


def change(rng: Generator, case: Case) -> Case:
    """A case that is no longer valid, or need not be."""
    kind = pick(rng, REFUSALS if rng.random() < 0.65 else EITHERS)
    changed = kind(rng, case)
    return replace(changed, what=kind.__name__)


def refused(case: Case, **changes: Any) -> Case:
    """The case with other arguments, which must be refused."""
    return replace(case, expect="refusal", **changes)


def draw_mode(rng: Generator, mode: str, size: tuple[int, int]) -> Image.Image:
    """An image of any mode, (H, W)."""
    image = Image.new(mode, size[::-1])
    if mode.startswith("I;16"):
        return Image.frombytes(mode, image.size, rng.bytes(2 * size[0] * size[1]))
    return image
