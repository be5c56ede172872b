"""Check inputs of any accepted kind and turn them into canonical arrays; wrong ones are refused here."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bridgenet_infer.arrays import Array, Mask

from ..read import PIL_DEPTH_MODES

ArrayLike = Array | Image.Image | Tensor
Size = tuple[int, int]

MIN_SCALE, MAX_SCALE = 2, 16
MAX_FLOAT = float(np.finfo(np.float64).max)
DIFFERENT, ALIKE = 0.05, 0.005  # of two aspect ratios
FREQUENT = (0.01, 16)  # share and number of samples from which one value stands out
RGB_FLOATS = ("float16", "bfloat16", "float32", "float64")
DEPTH_DTYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float16", "float32", "float64")


@dataclass(frozen=True)
class LowResolutionDepth:
    """The LR depth as received, without its container.

    Attributes
    ----------
    raw
        (B, h, w) in the caller's dtype and unit.
    valid
        (B, h, w) bool: measured, that is not 0, not NaN or infinite, not the caller's invalid value.
    container
        What the caller handed in, and gets back.
    batched
        Whether the caller's array had a batch axis.
    device
        Where a tensor result belongs.
    """

    raw: Array
    valid: Mask
    container: Literal["numpy", "pil", "torch"]
    batched: bool
    device: torch.device


def check_depth(lr_depth: ArrayLike, invalid: float | None = None) -> LowResolutionDepth:
    """Take the LR depth out of its container and find the holes.

    Parameters
    ----------
    lr_depth
        (h, w) or (B, h, w) NumPy array or torch tensor of uint8/16/32, int16/32 or float16/32/64, or a PIL
        image of mode L, I;16, I or F.
    invalid
        A further value that marks holes, beside 0 and, in floats, NaN and +-inf.

    Raises
    ------
    TypeError
        For other containers (masked arrays and sparse tensors among them), dtypes and image modes, and an `invalid`
        that is no number.
    ValueError
        For other shapes, empty arrays and negative depth.
    """
    device, container = torch.device("cpu"), "numpy"
    if isinstance(lr_depth, Image.Image):
        raw, container = _depth_from_pil(lr_depth), "pil"
    elif isinstance(lr_depth, Tensor):
        _check_dense("lr_depth", lr_depth)
        _check_depth_dtype(lr_depth)
        # forced: off its device and its graph, a lazy negation carried out
        raw, container, device = lr_depth.numpy(force=True), "torch", lr_depth.device
    elif isinstance(lr_depth, np.ma.MaskedArray):
        raise TypeError("lr_depth must not be a masked array: .filled(0) turns masked samples into holes")
    elif isinstance(lr_depth, np.ndarray):
        raw = np.asarray(lr_depth)  # a matrix would stay 2-D
    else:
        raise TypeError(f"lr_depth must be a NumPy array, PIL image or torch tensor, got {type(lr_depth).__name__}")
    _check_depth_dtype(raw)
    if raw.ndim not in (2, 3) or raw.size == 0:
        hint = "; a channel axis is to be taken off: [:, 0] or [..., 0]" if raw.ndim == 4 and 1 in raw.shape[1:] else ""
        raise ValueError(f"lr_depth must be a non-empty (h, w) or (B, h, w), got shape {raw.shape}{hint}")
    batch = raw if raw.ndim == 3 else raw[None]
    valid = find_valid(batch, invalid)
    if (batch[valid] < 0).any():
        raise ValueError(
            f"lr_depth of shape {raw.shape} has {int((batch[valid] < 0).sum())} negative values (least: "
            f"{batch[valid].min()}); depth must be positive, holes 0 or NaN, or named by {_naming(batch[valid].min())}"
        )
    return LowResolutionDepth(batch, valid, container, raw.ndim == 3, device)  # type: ignore[arg-type]


def find_valid(raw: Array, invalid: float | None) -> Mask:
    """Where depth was measured: not 0, not NaN or infinite, not `invalid`; raises TypeError if that is no number."""
    valid: Mask = raw != 0
    if raw.dtype.kind == "f":
        valid &= np.isfinite(raw)
    if invalid is not None:
        if isinstance(invalid, bool) or not isinstance(invalid, int | float | np.integer | np.floating):
            raise TypeError(f"invalid must be a number, got {invalid!r}")
        valid &= raw != _marker(invalid, raw.dtype)
    return valid


def check_max_error(max_error: float | None) -> None:
    """TypeError if it is neither a number nor None, ValueError if it is negative or NaN."""
    if max_error is None:
        return
    if isinstance(max_error, bool) or not isinstance(max_error, int | float | np.integer | np.floating):
        raise TypeError(f"max_error must be a number, got {max_error!r}")
    if not max_error >= 0:
        raise ValueError(f"max_error must be 0 or more, got {max_error!r}")


def suspect_marker(depth: LowResolutionDepth) -> str:
    """A warning of a frequent value far beyond all others, which may mark holes; "" if there is none."""
    values = depth.raw[depth.valid]
    if values.size == 0:
        return ""
    most = values.max()
    marked = values == most
    count = int(marked.sum())
    if count < max(FREQUENT[0] * values.size, FREQUENT[1]) or marked.all() or values[~marked].max() > most / 2:
        return ""
    return (
        f"{count / values.size:.1%} of the depth is exactly {most}, at least twice every other value; "
        f"if this value marks holes, pass {_naming(most)}"
    )


def _naming(marker: np.generic) -> str:
    """The argument and the option that name a value for holes, with all digits that its dtype needs."""
    return f"invalid={marker} (commands: --invalid={marker})"


def _marker(invalid: float, dtype: np.dtype[Any]) -> Any:
    """As floats of this dtype hold it: their 0.1 is not Python's."""
    if dtype.kind != "f":
        return invalid
    with np.errstate(over="ignore"):  # infinite then, which is a hole anyway
        return dtype.type(float(invalid) if abs(invalid) <= MAX_FLOAT else np.inf)


def _check_depth_dtype(raw: Array | Tensor) -> None:
    if _dtype_name(raw) not in DEPTH_DTYPES:
        shape = tuple(raw.shape)
        raise TypeError(f"lr_depth must be one of {', '.join(DEPTH_DTYPES)}, got {_dtype_name(raw)} of shape {shape}")


def _dtype_name(x: Array | Tensor) -> str:
    return str(x.dtype).removeprefix("torch.") if isinstance(x, Tensor) else x.dtype.name


def _check_dense(name: str, tensor: Tensor) -> None:
    if tensor.layout != torch.strided or tensor.is_meta:
        raise TypeError(f"{name} must be a dense tensor with data, got {tensor.layout} on {tensor.device}")


def _depth_from_pil(image: Image.Image) -> Array:
    if image.mode not in PIL_DEPTH_MODES:
        raise TypeError(f"a depth image must have mode {', '.join(PIL_DEPTH_MODES)}, got {image.mode} {image.size}")
    return np.asarray(image).astype(PIL_DEPTH_MODES[image.mode])  # native byte order


def check_rgb(rgb: ArrayLike, batch: int, batched: bool) -> Array | Tensor:
    """RGB of any accepted kind -> (B, H, W, 1 or 3) in its own dtype, a view where that is possible.

    A tensor stays one, on its device; everything else becomes an array.

    Parameters
    ----------
    rgb
        NumPy (H, W, 3), (H, W) grey, (H, W, 4) with alpha (ignored), each also with a leading batch axis; a
        torch tensor with channels first, (3, H, W) or (B, 3, H, W); or any PIL image that Pillow converts to RGB.
        uint8, uint16, or floats in [0, 1].
    batch, batched
        Batch size of the depth and whether it had a batch axis.

    Raises
    ------
    TypeError
        For other containers, dtypes and image modes.
    ValueError
        For other shapes, for floats outside [0, 1] or not finite, and for another batch size.
    """
    if isinstance(rgb, Image.Image):
        array: Array | Tensor = _rgb_from_pil(rgb)
    elif isinstance(rgb, Tensor):
        if rgb.ndim not in (3, 4) or rgb.shape[-3] not in (1, 3, 4):
            hint = "; movedim(-1, -3) brings channels first" if rgb.shape[-1:] == (3,) else ""
            raise ValueError(f"an RGB tensor must be (3, H, W) or (B, 3, H, W), got {tuple(rgb.shape)}{hint}")
        _check_dense("rgb", rgb)
        array = rgb.detach().movedim(-3, -1)
    elif isinstance(rgb, np.ndarray):
        array = np.asarray(rgb)
    else:
        raise TypeError(f"rgb must be a NumPy array, PIL image or torch tensor, got {type(rgb).__name__}")
    shape = tuple(array.shape)
    if array.ndim == 2 or (array.ndim == 3 and batched and shape[-1] not in (1, 3, 4)):
        array = array[..., None]  # grey without a channel axis
    array = array if array.ndim == 4 else array[None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4) or 0 in shape:
        raise ValueError(f"rgb must be a non-empty (H, W, 3), (H, W) or (B, H, W, 3), got shape {shape}")
    if array.shape[0] != batch:
        hint = "" if batched else "; rgb comes first, then lr_depth"
        if batched and array.shape[0] == 1:
            hint = "; one depth map is (h, w), without an axis for channels"
        raise ValueError(f"rgb of shape {shape} holds {array.shape[0]} images, lr_depth {batch}{hint}")
    _check_range(array)
    return array[..., :3]


def _rgb_from_pil(image: Image.Image) -> Array:
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    try:
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except ValueError as error:
        raise TypeError(f"an image of mode {image.mode} cannot be converted to RGB: {error}") from error


def _check_range(array: Array | Tensor) -> None:
    name = _dtype_name(array)
    if name in ("uint8", "uint16"):
        return
    if name not in RGB_FLOATS:
        raise TypeError(f"rgb must be uint8, uint16 or float, got {name} of shape {tuple(array.shape)}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN fails too
        raise ValueError(f"float rgb must lie in [0, 1], got values from {low:g} to {high:g}")


def unit_range(rgb: Tensor) -> Tensor:
    """Checked RGB of any dtype -> float32 in [0, 1], on its device; float32 comes back as it is."""
    if rgb.dtype.is_floating_point:
        return rgb.float()
    return rgb.float().div_(torch.iinfo(rgb.dtype).max)  # in place: new memory of this size costs more than the sum


def resolve_scale(scale: float | str, lr_size: Size, hr_size: Size) -> float:
    """The scale, checked against both sizes.

    Parameters
    ----------
    scale
        2 to 16, fractions included, or "auto".
    lr_size, hr_size
        (h, w) of the depth, (H, W) of the RGB image. A scale s fits if |H - h s| < s and |W - w s| < s. Where H / h and
        W / w differ by less than half a percent, 2 s are allowed: a sample at each edge.

    Raises
    ------
    ValueError
        If it is out of range or does not fit; names both shapes and the scale that they imply.
    TypeError
        If it is neither a number nor "auto".
    """
    shapes = f"lr_depth {lr_size} and rgb {hr_size}"
    if isinstance(scale, str) and scale == "auto":
        candidates = _candidates(lr_size, hr_size)
        found = next((s for s in candidates if _fits(s, lr_size, hr_size)), candidates[1])
        if not _fits_nearly(found, lr_size, hr_size):
            raise ValueError(f"no scale from {MIN_SCALE} to {MAX_SCALE} explains {_describe(shapes, lr_size, hr_size)}")
        return found
    if isinstance(scale, bool | str) or not isinstance(scale, int | float | np.integer | np.floating):
        raise TypeError(f"scale must be a number or 'auto', got {scale!r}")
    if not MIN_SCALE <= scale <= MAX_SCALE:  # NaN fails too
        raise ValueError(f"scale must lie in {MIN_SCALE} to {MAX_SCALE}, got {scale!r}")
    if not _fits_nearly(float(scale), lr_size, hr_size):
        raise ValueError(f"scale {scale:g} does not fit {_describe(shapes, lr_size, hr_size)}")
    return float(scale)


def _candidates(lr_size: Size, hr_size: Size) -> list[float]:
    """The implied scale, whole if that fits, and the middle of all that fit; kept within the limits."""
    implied = math.sqrt(hr_size[0] * hr_size[1] / (lr_size[0] * lr_size[1]))
    pairs = list(zip(lr_size, hr_size, strict=True))
    least = max(MIN_SCALE, *(high / (low + 1) for low, high in pairs))
    most = min(MAX_SCALE, *(high / (low - 1) if low > 1 else MAX_SCALE for low, high in pairs))
    return [float(min(max(s, MIN_SCALE), MAX_SCALE)) for s in (round(implied), implied, (least + most) / 2)]


def _fits(scale: float, lr_size: Size, hr_size: Size) -> bool:
    return all(abs(high - low * scale) < scale for low, high in zip(lr_size, hr_size, strict=True))


def _fits_nearly(scale: float, lr_size: Size, hr_size: Size) -> bool:
    """Sizes of two cameras that show nearly the same, such as ScanNet's 640 x 480 under 1296 x 968."""
    vertical, horizontal = (high / low for low, high in zip(lr_size, hr_size, strict=True))
    samples = 2 if abs(vertical / horizontal - 1) < ALIKE else 1
    return all(abs(high - low * scale) < samples * scale for low, high in zip(lr_size, hr_size, strict=True))


def _describe(shapes: str, lr_size: Size, hr_size: Size) -> str:
    if lr_size == hr_size:
        return (
            f"{shapes}: there is nothing to up-sample. Give the depth camera's own frames, not what a driver has "
            "aligned to the image, or one sample of each block, such as depth[4::8, 4::8]"
        )
    vertical, horizontal = (high / low for low, high in zip(lr_size, hr_size, strict=True))
    words = f"{shapes}, which imply {vertical:.4g} vertically and {horizontal:.4g} horizontally"
    if abs(vertical / horizontal - 1) < DIFFERENT:
        return words
    turned = hr_size[1] / lr_size[0], hr_size[0] / lr_size[1]
    if abs(turned[0] / turned[1] - 1) < DIFFERENT:
        return f"{words}; they would fit if one were turned by 90 degrees (orientation tags are not obeyed)"
    return f"{words}: both must show the same extent (cut both alike, or register the depth if the cameras differ)"
