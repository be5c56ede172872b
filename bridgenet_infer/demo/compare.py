"""Compare the network's result with bicubic's, and both with exact depth where it is known."""

import time
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bridgenet_infer.arrays import Array, Mask

from ..pipeline import holes
from ..pipeline.resample import resize_bicubic
from ..pipeline.validate import check_depth
from ..upsampler import DepthUpsampler
from .scenes import Inputs


@dataclass(frozen=True)
class Errors:
    """Absolute errors over `known`, where depth is both exactly known and measured; in the depth's unit.

    Attributes
    ----------
    known
        (H, W) bool.
    bicubic, ours
        (H, W) float64, 0 outside `known`.
    """

    known: Mask
    bicubic: npt.NDArray[np.float64]
    ours: npt.NDArray[np.float64]

    def mean(self, error: npt.NDArray[np.float64]) -> float:
        """Mean of one of the two."""
        return float(error[self.known].mean())

    def rms(self, error: npt.NDArray[np.float64]) -> float:
        """Root mean square of one of the two."""
        return float(np.sqrt((error[self.known] ** 2).mean()))


@dataclass(frozen=True)
class Comparison:
    """The results of one run.

    Attributes
    ----------
    depth
        (H, W) in the dtype and unit of the LR depth: what the API returns.
    valid
        (H, W) bool.
    bicubic
        (H, W) float64, holes filled.
    seconds
        Of the API's call.
    scale, weights, sha256
        What was used.
    notes
        The API's warnings.
    errors
        None where exact depth is not known.
    """

    depth: Array
    valid: Mask
    bicubic: npt.NDArray[np.float64]
    seconds: float
    scale: float
    weights: str
    sha256: str
    notes: tuple[str, ...]
    errors: Errors | None


def compare(
    upsampler: DepthUpsampler, inputs: Inputs, scale: float | str = "auto", *, fill_holes: bool = False
) -> Comparison:
    """Run the API and bicubic interpolation on the same inputs; parameters and errors as in the API.

    Raises
    ------
    ValueError
        Also if the exact depth has another size than the RGB image.
    """
    _check_exact(inputs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.perf_counter()
        result = upsampler.predict(inputs.rgb, inputs.lr_depth, scale, fill_holes=fill_holes, expect_error=False)
        seconds = time.perf_counter() - began
    depth, valid = np.asarray(result.depth), np.asarray(result.valid)
    plain = bicubic(inputs.lr_depth, (depth.shape[0], depth.shape[1]))
    return Comparison(
        depth=depth,
        valid=valid,
        bicubic=plain,
        seconds=seconds,
        scale=result.scale,
        weights=result.weights,
        sha256=result.sha256,
        notes=tuple(str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)),
        errors=None if inputs.exact is None else measure_errors(inputs.exact, depth, plain, valid),
    )


def bicubic(lr_depth: Array, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """LR depth (h, w), holes filled first -> (H, W); zeros if nothing is valid."""
    valid = check_depth(lr_depth).valid[0]
    if not valid.any():
        return np.zeros(size)
    filled = holes.fill_holes(lr_depth.astype(np.float64), valid)
    enlarged: npt.NDArray[np.float64] = resize_bicubic(torch.from_numpy(filled)[None, None], size)[0, 0].numpy()
    return enlarged


def measure_errors(exact: Array, depth: Array, plain: Array, valid: Mask) -> Errors | None:
    """Absolute errors of a result and of bicubic; None if they have no pixel in common with the exact depth."""
    known = valid & check_depth(exact).valid[0]
    if not known.any():
        return None
    truth = np.where(known, exact, 0).astype(np.float64)
    plain_error, our_error = (np.abs(np.where(known, x, 0) - truth) for x in (plain, depth))
    return Errors(known, plain_error, our_error)


def _check_exact(inputs: Inputs) -> None:
    size = inputs.rgb.shape[:2]
    if inputs.exact is not None and inputs.exact.shape != size:
        raise ValueError(f"the exact depth {inputs.exact.shape} must have the size of the RGB image {size}")
