"""Coloured point clouds as files that every viewer reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def ply_bytes(points: Array, colours: Array) -> bytes:
    """A binary PLY file of points (N, 3), as float32 in any unit, and their colours (N, 3) uint8."""
    vertices = np.empty(len(points), VERTEX)
    vertices["xyz"], vertices["rgb"] = points, colours
    return HEADER.format(count=len(points)).encode("ascii") + vertices.tobytes()
