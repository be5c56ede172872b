"""Point clouds: a small one for the page's canvas, a whole one as a PLY file."""

import base64
import json

import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array, Mask

from ..geometry import camera_matrix, depth_to_points, ply_bytes
from .pictures import eight_bit

CANVAS_POINTS = 80_000  # drawn by the browser's CPU, twice, many times a second
PLY_POINTS = 2_000_000
FARTHEST = 3.0  # times the median depth: beyond it points are left out, sky and horizon would fill the canvas


def canvas_cloud(rgb: Array, depths: dict[str, Array], valid: Mask, field_of_view: float) -> str:
    """Clouds of the same pixels for the canvas, which shows them side by side.

    Parameters
    ----------
    rgb
        (H, W, 3) uint8 or uint16.
    depths
        Caption -> (H, W) depth; the last one decides on distance and size.
    valid
        (H, W) bool: pixels that become points.

    Returns
    -------
    JSON: points as base64 of little-endian int16 (n, 3), times "unit" in median depths; colours as uint8 (n, 3);
    "focal" and "spacing" between two points in image widths; "aspect". "" if nothing is valid.
    """
    if not valid.any():
        return ""
    thin, matrix, step = _thin(valid.shape, field_of_view, CANVAS_POINTS)
    last = list(depths.values())[-1]
    pivot = float(np.median(last[valid]))
    picked = valid[thin] & (last[thin] < FARTHEST * pivot)
    if not picked.any():
        return ""
    clouds = {name: depth_to_points(depth[thin].astype(np.float64), matrix)[picked] for name, depth in depths.items()}
    unit = float(np.abs(list(clouds.values())[-1]).max()) * 1.25 / 32767  # room for what overshoots
    return json.dumps(
        {
            "unit": unit / pivot,
            "focal": float(matrix[0, 0]) * step / valid.shape[1],
            "spacing": step / valid.shape[1],
            "aspect": valid.shape[1] / valid.shape[0],
            "colours": _base64(eight_bit(rgb[thin])[picked]),
            "clouds": [
                {"name": name, "points": _base64(np.clip(np.rint(points / unit), -32767, 32767).astype("<i2"))}
                for name, points in clouds.items()
            ],
        }
    )


def cloud_file(rgb: Array, depth: Array, valid: Mask, field_of_view: float) -> bytes:
    """Valid pixels as a binary PLY file, thinned evenly to two million at most.

    x points right, y down, z forward, in the unit of the depth; colours are 8 bit.
    """
    thin, matrix, _ = _thin(valid.shape, field_of_view, PLY_POINTS)
    points = depth_to_points(depth[thin].astype(np.float64), matrix)
    return ply_bytes(points[valid[thin]], eight_bit(rgb[thin])[valid[thin]])


def _thin(
    size: tuple[int, ...], field_of_view: float, limit: int
) -> tuple[tuple[slice, slice], npt.NDArray[np.float64], int]:
    """Index, camera matrix and step of a thinned image (H, W) with `limit` pixels at most."""
    step = max(int(np.ceil(np.sqrt(size[0] * size[1] / limit))), 1)
    matrix = camera_matrix((size[0], size[1]), field_of_view)
    matrix[:2] /= step
    return (slice(None, None, step), slice(None, None, step)), matrix, step


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
