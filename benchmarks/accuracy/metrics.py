"""Measures of error. Each is computed in float64 from the prediction and the truth as they are given."""

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array, Mask

EDGE_STEP = 3.0  # grey levels
EDGE_RADIUS = 8.0  # HR pixels


def mad(prediction: Array, truth: Array, mask: Mask | None = None) -> float:
    """Mean absolute difference over all pixels, or over those of `mask`, in the unit of the inputs."""
    return float(np.abs(_difference(prediction, truth, mask)).mean())


def rmse(prediction: Array, truth: Array, mask: Mask | None = None) -> float:
    """Root mean squared error over all pixels, or over those of `mask`, in the unit of the inputs."""
    return float(np.sqrt(np.square(_difference(prediction, truth, mask)).mean()))


def bias(prediction: Array, truth: Array, mask: Mask | None = None) -> float:
    """Mean signed error over all pixels, or over those of `mask`: positive where the prediction is larger."""
    return float(_difference(prediction, truth, mask).mean())


def edge_mad(
    prediction: Array, truth: Array, mask: Mask | None = None, step: float = EDGE_STEP, radius: float = EDGE_RADIUS
) -> float:
    """Mean absolute difference within `radius` pixels of a depth step; NaN if there is no such pixel in `mask`."""
    band = edge_band(truth, step, radius)
    if mask is not None:
        band &= mask
    return mad(prediction, truth, band) if band.any() else float("nan")


def edge_band(truth: Array, step: float = EDGE_STEP, radius: float = EDGE_RADIUS) -> Mask:
    """Pixels within `radius` (Euclidean) of a step: two direct neighbours that differ by `step` or more.

    Parameters
    ----------
    truth
        (H, W), any dtype; both pixels of a step belong to it.
    step
        In the unit of `truth`.
    radius
        In pixels; 0 gives the steps alone.
    """
    values = truth.astype(np.float64)
    edges = np.zeros(truth.shape, bool)
    across = np.abs(np.diff(values, axis=1)) >= step
    down = np.abs(np.diff(values, axis=0)) >= step
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    if not edges.any():
        return edges
    distance = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    band: Mask = distance <= radius
    return band


def _difference(prediction: Array, truth: Array, mask: Mask | None) -> npt.NDArray[np.float64]:
    if prediction.shape != truth.shape or (mask is not None and mask.shape != truth.shape):
        shapes = (prediction.shape, truth.shape, None if mask is None else mask.shape)
        raise ValueError(f"prediction, truth and mask must have one shape, got {shapes}")
    if mask is not None:
        prediction, truth = prediction[mask], truth[mask]
    if truth.size == 0:
        raise ValueError("no pixel to score")
    difference: npt.NDArray[np.float64] = prediction.astype(np.float64) - truth.astype(np.float64)
    return difference
