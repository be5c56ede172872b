"""Organised point clouds of up-sampled depth, as sensor_msgs/PointCloud2 has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..geometry import pixel_rays
from ..lens import Lens

POINT = np.dtype([("xyz", "<f4", 3), ("bgr", "u1", 3), ("unused", "u1")])
FLOAT32 = 7  # sensor_msgs/PointField
FIELDS = [{"name": name, "offset": 4 * index, "datatype": FLOAT32, "count": 1}
          for index, name in enumerate(("x", "y", "z", "rgb"))]  # fmt: skip


class Clouds:
    """Makes clouds; keeps the rays of the camera that it saw last."""

    def __init__(self) -> None:
        self._camera: object = None
        self._rays: Array = np.empty(0)

    def fields(self, depth: Array, colours: Array, matrix: Array, lens: Lens | None) -> dict[str, Any]:
        """Fields of a PointCloud2 message, all but the header; its `fields` are fields of PointField messages.

        Parameters
        ----------
        depth
            (H, W) z-depth, integers in millimetres or floats in metres.
        colours
            (H, W, 3) in the order red, green, blue, or (H, W), of unsigned integers or of floats from 0 to 1.
        matrix, lens
            Of the RGB camera, for images of this size.

        Returns
        -------
        H x W points. x, y and z are float32 in metres, NaN in holes and where no ray leads through the lens. rgb lies
        in the bytes of a float32, as PCL has it.
        """
        camera = depth.shape, matrix.tobytes(), lens
        if camera != self._camera:
            self._camera, self._rays = camera, pixel_rays(depth.shape, matrix, lens).astype(np.float32)
        metres = depth / np.float32(1000 if depth.dtype.kind in "ui" else 1)
        cloud = np.zeros(depth.shape, POINT)
        cloud["xyz"] = self._rays * np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))[..., None]
        brightest = np.iinfo(colours.dtype).max if colours.dtype.kind == "u" else 1
        shown = colours if colours.dtype == np.uint8 else (colours * (255 / brightest)).astype(np.uint8)
        cloud["bgr"] = shown[..., ::-1] if shown.ndim == 3 else shown[..., None]
        height, width = depth.shape
        return {
            "height": height,
            "width": width,
            "fields": FIELDS,
            "is_bigendian": False,
            "point_step": POINT.itemsize,
            "row_step": POINT.itemsize * width,
            "data": cloud.tobytes(),
            "is_dense": False,
        }
