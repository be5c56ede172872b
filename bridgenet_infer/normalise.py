"""One normalisation for training, serving and scoring: robust, from the valid LR samples of a whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[Any]
Space = Literal["linear", "inverse"]
PERCENTILES = (1, 99)
LEAST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Normalisation:
    """Maps depth to the network's range and back: x = (f(depth) - low) / span.

    f is the identity in "linear" space and 1 / depth in "inverse" space. A constant map has span 0: it
    normalises to 0 and comes back exactly (in inverse space as 1 / (1 / depth)). Values outside the percentiles are not
    clamped.
    """

    low: float
    span: float
    floor: float
    space: Space

    def apply(self, depth: Array) -> npt.NDArray[np.float32]:
        """Hole-free depth (h, w), any dtype and unit -> float32, about 0 to 1."""
        values = _reciprocal(depth) if self.space == "inverse" else depth.astype(np.float64)
        with np.errstate(over="ignore"):  # infinite then, which the caller must look for
            scaled: npt.NDArray[np.float32] = ((values - self.low) / (self.span or 1.0)).astype(np.float32)
        return scaled

    def undo(self, x: Tensor) -> Tensor:
        """Normalised (..., H, W) -> depth in the caller's unit, float64."""
        depth = self.low + self.span * x.double()
        return 1 / depth.clamp(min=self.floor) if self.space == "inverse" else depth


def check_space(space: Space) -> None:
    """ValueError if it is none."""
    if not isinstance(space, str) or space not in get_args(Space):
        raise ValueError(f"space must be 'linear' or 'inverse', got {space!r}")


def measure_normalisation(depth: Array, valid: npt.NDArray[np.bool_], space: Space) -> Normalisation:
    """Low and span of one image from its valid samples.

    Parameters
    ----------
    depth, valid
        (h, w) positive depth in any unit and its validity.
    space
        "linear", or "inverse" for ranges so wide that a linear one drowns the near field.

    Raises
    ------
    ValueError
        If no sample is valid or `space` is unknown.
    """
    check_space(space)
    values = depth[valid]
    if values.size == 0:
        raise ValueError(f"none of the {valid.size} depth samples is valid")
    if space == "inverse":
        values = _reciprocal(values)
    elif values.dtype == np.float16:
        values = values.astype(np.float32)
    least, most = float(values.min()), float(values.max())
    low, high = (float(v) for v in np.percentile(values, PERCENTILES, overwrite_input=True))
    if high <= low:  # almost everything at one depth
        low, high = least, most
    # inverse: nothing farther than twice the farthest sample
    return Normalisation(low, high - low, least / 2, space)


def _reciprocal(depth: Array) -> npt.NDArray[np.float64]:
    nearness: npt.NDArray[np.float64] = 1 / np.maximum(depth.astype(np.float64), LEAST)  # of less it would be infinite
    return nearness
