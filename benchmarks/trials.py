"""What the methods are given and scored on: the published LR inputs, or what a sensor would have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.baselines import nearest, round_to
from benchmarks.data import RgbdScene
from training.sensors import SENSORS, disturb_guide, sense_disparity

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trial:
    """rgb (H, W, 3) uint8; lr (h, w) uint8, holes 0; truth (H, W) uint8; mask (H, W) bool, None for all pixels."""

    rgb: npt.NDArray[np.uint8]
    lr: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_] | None


def published(scene: RgbdScene, scale: int) -> Trial:
    """A scene with its published LR input."""
    return Trial(scene.rgb, scene.lr_depth(scale), scene.depth, None)


def degraded(scene: RgbdScene, scale: int, sensor: str, guide_shift: float = 1.0, seed: int = 0) -> Trial:
    """A scene of Middlebury 2005 as one of `training.sensors.SENSORS` would see it, its guide disturbed.

    Only pixels whose LR sample was measured are scored. KeyError if there is no such sensor.
    """
    generator = torch.Generator().manual_seed(seed)
    disparity = torch.from_numpy(scene.depth).float()[None, None]
    rgb = torch.from_numpy(scene.rgb).permute(2, 0, 1)[None].float() / 255
    lr = sense_disparity(SENSORS[sensor], disparity, rgb, scale, generator)[0, 0].numpy()
    guide = disturb_guide(rgb, guide_shift, 1.0, generator)
    pixels = round_to(guide[0].permute(1, 2, 0).numpy() * 255, np.uint8)
    return Trial(pixels, lr, scene.depth, nearest(lr > 0, scene.depth.shape))
