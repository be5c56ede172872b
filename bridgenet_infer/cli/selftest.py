"""A small scene of exactly known depth, drawn on the spot."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bridgenet_infer.arrays import Array

SIZE, SCALE = (192, 256), 8


@dataclass(frozen=True)
class Scene:
    """rgb (H, W, 3) uint8, exact depth (H, W) and lr_depth (h, w) in uint16 millimetres."""

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.uint16]
    lr_depth: npt.NDArray[np.uint16]

    def bicubic(self) -> Array:
        """The LR depth enlarged by plain interpolation, (H, W) float32."""
        return _resize(self.lr_depth, SIZE)

    def error(self, depth: Array) -> float:
        """Mean absolute error in millimetres."""
        return float(np.abs(depth.astype(np.float64) - self.depth).mean())


def make_scene(scale: float = SCALE, size: tuple[int, int] = SIZE) -> Scene:
    """Bodies of one colour each before a receding wall, 0.8 to 3.3 m away."""
    rng = np.random.default_rng(0)
    height, width = size
    depth = np.broadcast_to(np.linspace(3300, 2600, height, dtype=np.float32)[:, None], size).copy()
    rgb = np.full((*size, 3), (90, 110, 120), np.float32)
    for distance in (2200, 1700, 1200, 800):
        centre = rng.uniform(0.2, 0.8, 2) * (width, height)
        axes = rng.uniform(20, 50, 2)
        corners = cv2.boxPoints((tuple(centre.tolist()), tuple((2 * axes).tolist()), float(rng.uniform(0, 90))))
        for canvas, value in ((depth, float(distance)), (rgb, rng.uniform(30, 230, 3).tolist())):
            cv2.fillConvexPoly(canvas, corners.astype(np.int32), value)
    rgb += rng.normal(0, 4, rgb.shape)
    exact = depth.astype(np.uint16)
    lr_depth = np.rint(_resize(exact, (round(height / scale), round(width / scale)))).astype(np.uint16)
    return Scene(np.clip(rgb, 0, 255).astype(np.uint8), exact, lr_depth)


def _resize(depth: Array, size: tuple[int, int]) -> Array:
    image = Image.fromarray(depth.astype(np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
