"""Resize scenes so that depth edges stay one pixel wide, as they are in the real data."""

import cv2
import numpy as np

from bridgenet_infer.arrays import Array

EDGE = 4.0  # grey levels between neighbours: beyond, a surface ends


def resize_scene(rgb: Array, depth: Array, valid: Array, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """RGB (H, W, 3) uint8, depth (H, W) float32 without holes and validity (H, W) bool at (height, width)."""
    enlarged = size[0] > rgb.shape[0]
    scaled = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA)
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, depth.shape, strict=True))
    return scaled, resize_depth(depth, size), valid[np.ix_(rows, columns)]


def resize_depth(depth: Array, size: tuple[int, int]) -> Array:
    """Interpolated depth, beside edges the nearest in value of the four samples around.

    So an edge runs where the interpolation passes the middle between both sides: hard, and straighter than its samples.

    Parameters
    ----------
    depth
        (H, W) float32 in grey levels, without holes.
    size
        (height, width) of the result.
    """
    smooth = cv2.resize(depth, size[::-1], interpolation=cv2.INTER_LINEAR)
    corners = []
    (above, below), (left, right) = (_neighbours(n, m) for n, m in zip(size, depth.shape, strict=True))
    for rows in (above, below):
        corners += [depth[np.ix_(rows, columns)] for columns in (left, right)]
    around = np.stack(corners)  # 4,height,width
    closest = np.abs(around - smooth).argmin(0)
    measured = np.take_along_axis(around, closest[None], 0)[0]
    resized: Array = np.where(np.ptp(around, axis=0) > EDGE, measured, smooth)
    return resized


def _neighbours(high: int, low: int) -> tuple[Array, Array]:
    """Indices of the samples before and after each new pixel's centre."""
    before = np.floor((np.arange(high) + 0.5) * low / high - 0.5).astype(int)
    return before.clip(0, low - 1), (before + 1).clip(0, low - 1)
