"""The LR depth of one image in float32 above a pivot, and its local range."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridgenet_infer.arrays import Array, Mask

from ..graph.config import Reference
from .holes import fill_holes
from .normalise import image_range, local_range

HEADROOM = 100  # depth lies below 2^100: sums, overshoot and 8 times the reach stay finite, 1e-68 of it above 0
LEAST_PART = -126  # exponent of the least normal float32
LEAST_EXPONENT = -1000  # of the unit: that of the least float64 and its reciprocal are both finite


@dataclass(frozen=True)
class LocalDepth:
    """Maps on the LR grid, and the way back to the caller's unit: depth = pivot + unit * value.

    Attributes
    ----------
    maps
        (3, h, w) float32: depth above the pivot with its holes filled, and mid and reach of `local_range`.
    pivot
        The least sample that the network sees: near depth keeps its precision whatever lies far behind.
    unit
        A power of two, so that nothing is rounded by it.
    """

    maps: Tensor
    pivot: float
    unit: float

    def restore(self, depth: Tensor) -> Tensor:
        """Depth above the pivot, float32 -> depth in the caller's unit, float64."""
        return depth.double().mul_(self.unit).add_(self.pivot)

    def restore_error_(self, error: Tensor) -> Tensor:
        """Distance of two depths, float32 -> the same in the caller's unit, in place."""
        exponent = math.frexp(self.unit)[1] - 1
        first = exponent // 2  # the whole may be beyond float32, where the product is not
        for part in (first, exponent - first):
            error.mul_(math.ldexp(1, min(max(part, LEAST_PART), -LEAST_PART)))
        return error


def measure_local_depth(depth: Array, seen: Mask, reference: Reference = "local") -> LocalDepth:
    """Fill the holes of a whole image and measure the range around every sample.

    Parameters
    ----------
    depth
        (h, w) positive, any dtype and unit; values where `seen` is False are ignored.
    seen
        (h, w) bool: what the network is to see as measured. If nothing is, all depth is taken for 0.
    reference
        What depth is normalised by, see `BridgeNetConfig.normalisation`.
    """
    pivot = depth[seen].min() if seen.any() else depth.dtype.type(0)
    above = np.where(seen, depth, pivot).astype(np.float64)
    above -= float(pivot)
    unit = math.ldexp(1, max(math.frexp(above.max())[1] - HEADROOM, LEAST_EXPONENT))
    above /= unit
    filled = torch.from_numpy(fill_holes(above.astype(np.float32), seen))[None, None]
    if reference == "local":
        measured = local_range(filled)
    else:
        measured = image_range(filled, torch.from_numpy(np.ascontiguousarray(seen))[None, None])
    return LocalDepth(torch.cat((filled, *measured), 1)[0], float(pivot), unit)
