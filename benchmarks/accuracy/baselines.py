"""Interpolation without a guide. It uses Pillow and NumPy alone, so that it shares no code with the package."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from bridgenet_infer.arrays import Array

Size = tuple[int, int]


def bicubic(depth: Array, size: Size) -> npt.NDArray[np.float32]:
    """(h, w) -> (H, W) by Pillow's BICUBIC in float32, antialiased when it shrinks; not rounded."""
    image = Image.fromarray(depth.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def nearest(array: Array, size: Size) -> Array:
    """(h, w) -> (H, W): each pixel takes the source pixel that holds its centre; both directions."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(size, array.shape, strict=True)
    )
    picked: Array = array[rows[:, None], columns]
    return picked


def round_to(depth: Array, dtype: npt.DTypeLike, least: int = 0) -> Array:
    """Round half up to an integer dtype, clamped to `least` and the dtype's greatest value."""
    rounded: Array = np.clip(np.floor(depth + 0.5), least, np.iinfo(dtype).max).astype(dtype)
    return rounded
