"""Show depth and errors as RGB pictures: near is bright, far is dark, and holes are grey."""

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array, Mask

Picture = npt.NDArray[np.uint8]
Span = tuple[float, float]

HOLE = (96, 96, 96)  # far is black
DEPTH_COLOURS, ERROR_COLOURS = cv2.COLORMAP_INFERNO, cv2.COLORMAP_MAGMA
SHOWN_PERCENTILES = (1, 99)
ERROR_PERCENTILE = 97  # brighter than that is all the same
LEAST = 1e-12  # of a span, so that depth of one value has a colour too


def depth_span(depth: Array, valid: Mask | None = None, percentiles: tuple[float, float] = SHOWN_PERCENTILES) -> Span:
    """The least and greatest depth that colours tell apart, in the unit of the depth.

    Parameters
    ----------
    depth
        Of any shape.
    valid
        What is measured, of the same shape; None: all but 0, NaN and infinities.

    Returns
    -------
    Both percentiles of the valid depth; (1, 1) if nothing is valid.
    """
    values = depth[_measured(depth) if valid is None else valid].astype(np.float64)
    if values.size == 0:
        return 1.0, 1.0
    near, far = np.percentile(values, percentiles)
    return float(near), float(far)


def colourise_depth(depth: Array, span: Span, valid: Mask | None = None, *, logarithmic: bool = False) -> Picture:
    """Depth in colours: the near end of a span and what is nearer is brightest, the far end black, holes grey.

    Parameters
    ----------
    depth
        (H, W) of any dtype.
    span
        Near and far end, of disparity the larger one first; the same for all pictures that are to be compared.
    valid
        (H, W) bool; None: all but 0, NaN and infinities.
    logarithmic
        Shows the near field of a street, too. The span must be positive then, and depth that is not counts as far.

    Returns
    -------
    (H, W, 3) uint8 RGB.
    """
    shown = _measured(depth) if valid is None else valid
    ends = np.array(span, np.float64)
    values = np.where(shown & (depth > 0) if logarithmic else shown, depth, ends[1]).astype(np.float64)
    if logarithmic:
        ends, values = np.log(ends), np.log(values)
    near, far = ends
    return _paint(1 - (values - near) / ((far - near) or LEAST), shown, DEPTH_COLOURS)


def error_limit(error: Array, known: Mask, percentile: float = ERROR_PERCENTILE) -> float:
    """The error to be painted brightest: a percentile of those that are known; 0 if none is."""
    values = error[known]
    return float(np.percentile(values, percentile)) if values.size else 0.0


def colourise_error(error: Array, limit: float, known: Mask | None = None) -> Picture:
    """Absolute errors in colours: none is black, `limit` and more is brightest, what is not known grey.

    Parameters
    ----------
    error
        (H, W), 0 or more, in the unit of `limit`.
    limit
        The same for all pictures that are to be compared.
    known
        (H, W) bool; None: all that is finite.

    Returns
    -------
    (H, W, 3) uint8 RGB.
    """
    return _paint(error / max(limit, LEAST), np.isfinite(error) if known is None else known, ERROR_COLOURS)


def _measured(depth: Array) -> Mask:
    return np.asarray(np.isfinite(depth) & (depth > 0))


def _paint(levels: Array, shown: Mask, colours: int) -> Picture:
    """(H, W) from 0, dark, to 1, bright -> RGB."""
    steps = (np.clip(np.where(shown, levels, 0), 0, 1) * 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(steps, colours), cv2.COLOR_BGR2RGB)
    picture[~shown] = HOLE
    return np.asarray(picture, np.uint8)
