"""Inputs and ground truth of one scored image: the published LR input, or that of a simulated sensor."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.accuracy.baselines import nearest, round_to
from bridgenet_infer.arrays import Array, Mask
from datasets.scenes import RgbdScene
from simulation.sensors import SENSORS, disturb_guide, millimetres_to_disparity, sense_disparity


@dataclass(frozen=True)
class Trial:
    """One scene at one scale.

    Attributes
    ----------
    rgb
        (H, W, 3) uint8.
    lr
        (h, w) uint8 grey levels, or uint16 millimetres with holes 0.
    truth
        (H, W) uint8 grey levels, or uint16 millimetres.
    mask
        (H, W) bool: what is scored, None for all pixels.
    to_grey
        From the unit of `lr` to that of `truth`, not rounded.
    """

    rgb: npt.NDArray[np.uint8]
    lr: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    truth: Array
    mask: Mask | None
    to_grey: Callable[[Array], Array]

    def as_scored(self, prediction: Array) -> npt.NDArray[np.uint8]:
        """A prediction in the unit of `lr` as 8-bit grey levels."""
        return round_to(self.to_grey(prediction), np.uint8)


def published(scene: RgbdScene, scale: int) -> Trial:
    """A scene with its published LR input."""
    return Trial(scene.rgb, scene.lr_depth(scale), scene.depth, None, np.asarray)


def degraded(scene: RgbdScene, scale: int, sensor: str, guide_shift: float = 1.0, seed: int = 0) -> Trial:
    """A scene of Middlebury 2005 as one of `simulation.sensors.SENSORS` would see it, its guide disturbed.

    Methods are given millimetres; only pixels whose LR sample was measured are scored. KeyError if there is no such
    sensor.
    """
    generator = torch.Generator().manual_seed(seed)
    disparity = torch.tensor(scene.depth).float()[None, None]
    rgb = torch.tensor(scene.rgb).permute(2, 0, 1)[None].float() / 255
    lr = sense_disparity(SENSORS[sensor], disparity, rgb, scale, generator)[0, 0].numpy()
    guide = disturb_guide(rgb, guide_shift, 1.0, generator)
    pixels = round_to(guide[0].permute(1, 2, 0).numpy() * 255, np.uint8)
    return Trial(pixels, lr, scene.depth, nearest(lr > 0, scene.depth.shape), millimetres_to_disparity)
