"""The one interpolation used for training, serving and scoring: Pillow's bicubic in float."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

Array = npt.NDArray[Any]
SUPPORT = 2  # of the cubic kernel, in LR pixels


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize like Pillow's BICUBIC on a mode "F" image, antialiased when shrinking.

    Parameters
    ----------
    x
        (B, 1, h, w) float32 or float64.
    size
        (H, W) of the result; the pixel grids share their outer edges.

    Returns
    -------
    (B, 1, H, W), same dtype and device. Equal to Pillow to 1e-5 of the range.
    """
    # antialias=True selects Pillow's kernel (a = -0.5) in both directions; without it torch uses a = -0.75
    return F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False)


@dataclass(frozen=True)
class BicubicTaps:
    """Rows (or columns) of `resize_bicubic`'s enlargement as a matrix, for windows of an image.

    `matrix @ lr[first : first + k]` equals the rows of the enlarged whole; the library call cannot start
    between two LR pixels, as tiles at odd scales must.

    Attributes
    ----------
    first
        First LR index that is read.
    matrix
        (n, k) float32, rows sum to 1.
    """

    first: int
    matrix: npt.NDArray[np.float32]

    @property
    def reads(self) -> slice:
        """The LR indices that are read."""
        return slice(self.first, self.first + self.matrix.shape[1])


def bicubic_taps(low: int, high: int, start: int, stop: int) -> BicubicTaps:
    """Taps of the HR positions start..stop - 1 when `low` pixels are enlarged to `high` >= `low`.

    Positions at and beyond `high` repeat the last one (replicate padding).
    """
    positions = np.minimum(np.arange(start, stop), high - 1)
    centres = (positions + 0.5) * low / high
    first = max(int(centres[0] - SUPPORT), 0)
    last = min(int(np.ceil(centres[-1] + SUPPORT)), low)
    weights = _cubic(np.arange(first, last) + 0.5 - centres[:, None])
    weights /= weights.sum(1, keepdims=True)  # at the image's border the kernel is cut off
    return BicubicTaps(first, weights.astype(np.float32))


def _cubic(x: Array) -> Array:
    """Keys' cubic kernel with a = -0.5."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    result: Array = np.where(x < 1, inner, np.where(x < SUPPORT, outer, 0.0))
    return result
