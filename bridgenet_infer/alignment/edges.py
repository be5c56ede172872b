"""Maps of edges, of an image and of depth, on one grid; both tell strengths and directions in the same way.

A cell holds a complex number. Its length is the strength of the edge, 0 to 1. Its angle is twice the gradient's, so the
product of one and the conjugate of another is positive where two edges run alike, whichever side is brighter or nearer,
and negative where they cross.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array, Mask

Edges = npt.NDArray[np.complex64]
Floats = npt.NDArray[Any]  # float32, as which OpenCV's stubs do not know their results
Size = tuple[int, int]

SOFT = 0.8  # cells: sigma of the blur that lets jagged edges meet
USUAL = 0.9  # quantile of an image's edges that has half of the full strength
STEEP = 0.003  # least relative step of depth per sample that has half of the full strength
APART = 1.0  # samples to both sides of a step, where depth changes little; beside a crease one side stays a slope
MEETING = 1.5  # cells: sigma of the blur that lets crests meet image edges, after both have their full strength
LEAST = 1e-9


def image_edges(rgb: Array, size: Size) -> Edges:
    """Edges of an image (H, W, 1 or 3) of any dtype, on a grid of (rows, columns)."""
    small = np.sqrt(_resize(rgb, size).astype(np.float32))  # noise is alike in dark and bright
    along, across = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for index in range(small.shape[-1]):
        dx, dy = _gradient(np.ascontiguousarray(small[..., index]))
        along += dx * dx - dy * dy
        across += 2 * dx * dy
    edges = _as_complex(np.dstack([cv2.GaussianBlur(part, (0, 0), SOFT) for part in (along, across)]))
    strength = np.abs(edges)
    edges = edges / (strength + np.float32(np.quantile(strength, USUAL) + LEAST))
    return _as_complex(cv2.GaussianBlur(_as_channels(edges), (0, 0), MEETING))


def depth_edges(depth: Array, valid: Mask, size: Size) -> Edges:
    """Edges of LR depth (h, w) on a grid of (rows, columns), thin: only the crest of each step is kept.

    A crest stands out on both sides, so that slopes and creases, which have no step, are no edges. It is where depth
    itself changes most, since averaging mixes depth, not its logarithm.
    """
    usual = np.median(depth[valid]) if valid.any() else 1
    samples = np.where(valid, depth, usual).astype(np.float32) / np.float32(usual)
    known = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    fine = size[1] / depth.shape[1]  # cells per sample
    dense = _resize(samples, size)
    dx, dy = _gradient(dense)
    step = cv2.magnitude(dx, dy) * np.float32(max(fine, 1))
    crest = _standing_out(step, dx, dy, max(APART * fine, 1.0)) * (_resize(known, size, cv2.INTER_NEAREST) > 0)
    relative = crest / (_mean(dense, 1.5 * fine) + np.float32(0.1))
    steps = relative[relative > 0]
    strength = relative / (relative + max(np.median(steps) if len(steps) else 0, STEEP))
    return _double(dx, dy, strength * strength)


def coarser(edges: Edges, size: Size) -> Edges:
    """The mean of the cells, on a coarser grid: edges that cross take each other away, as in texture."""
    return _as_complex(cv2.resize(_as_channels(edges), size[::-1], interpolation=cv2.INTER_AREA))


def zoom_edges(edges: Edges, zoom: float) -> Edges:
    """Enlarged about the centre, 0 outside."""
    rows, columns = edges.shape
    motion = np.array([[zoom, 0, (1 - zoom) * (columns - 1) / 2], [0, zoom, (1 - zoom) * (rows - 1) / 2]])
    return _as_complex(cv2.warpAffine(_as_channels(edges), motion, (columns, rows)))


def correlate(image: Edges, depth: Edges, reach: int) -> Floats:
    """(2 reach + 1, 2 reach + 1) fit of the edges when depth is shifted by -reach to reach cells, in rows, columns."""
    rows, columns = (cv2.getOptimalDFTSize(side + reach) for side in image.shape)
    padded = [np.zeros((rows, columns, 2), np.float32) for _ in range(2)]
    for whole, edges in zip(padded, (image, depth), strict=True):
        whole[: image.shape[0], : image.shape[1]] = _as_channels(edges)
    one, other = (cv2.dft(whole, flags=cv2.DFT_COMPLEX_OUTPUT) for whole in padded)
    product = cv2.mulSpectrums(one, other, 0, conjB=True)
    fit = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_COMPLEX_OUTPUT)[..., 0]
    return np.roll(fit, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]


def _standing_out(step: Floats, dx: Floats, dy: Floats, far: float) -> Floats:
    """How much a step exceeds those that lie `far` cells to both sides; 0 where it is no crest."""
    length = cv2.magnitude(dx, dy) + np.float32(LEAST)
    across, down = dx / length, dy / length
    y, x = (np.arange(side, dtype=np.float32) for side in step.shape)

    def at(cells: float) -> Floats:
        place = x + np.float32(cells) * across, y[:, None] + np.float32(cells) * down
        return cv2.remap(step, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    is_crest = (step >= at(-1)) & (step > at(1))
    return np.asarray(np.maximum(step - np.maximum(at(-far), at(far)), 0) * is_crest)


def _double(dx: Floats, dy: Floats, strength: Floats) -> Edges:
    """Directions with their angles doubled, of this strength."""
    factor = strength / (dx * dx + dy * dy + np.float32(LEAST**2))
    return _as_complex(np.dstack(((dx * dx - dy * dy) * factor, 2 * dx * dy * factor)))


def _gradient(values: Floats) -> tuple[Floats, Floats]:
    """Per cell, towards columns and rows."""
    dx, dy = (cv2.Sobel(values, cv2.CV_32F, *order, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
              for order in ((1, 0), (0, 1)))  # fmt: skip
    return dx, dy


def _mean(values: Floats, width: float) -> Floats:
    side = 2 * round(width / 2) + 1
    return cv2.blur(values, (side, side))


def _resize(values: Array, size: Size, enlarging: int = cv2.INTER_CUBIC) -> Array:
    if values.shape[:2] == size:
        return values
    shrinks = size[0] < values.shape[0]
    shrunk = cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA if shrinks else enlarging)
    return shrunk.reshape(*size, *values.shape[2:])


def _as_channels(edges: Edges) -> Floats:
    return np.ascontiguousarray(edges, np.complex64).view(np.float32).reshape(*edges.shape, 2)


def _as_complex(channels: Floats) -> Edges:
    return np.ascontiguousarray(channels, np.float32).view(np.complex64)[..., 0]
