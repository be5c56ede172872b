"""What the methods are given and scored on: the published LR inputs, or what a sensor would have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.baselines import nearest, round_to
from benchmarks.data import RgbdScene
from training.sensors import SENSORS, disturb_guide, sense

Array = npt.NDArray[Any]

# Middlebury 2005 at full size (vision.middlebury.edu/stereo/data/scenes2005): f = 3740 px, baseline 160 mm; its
# disparities count from an offset of 200 to 290 px, one figure for all here: 1.2 to 2.4 m
FOCAL, BASELINE, OFFSET = 3740.0, 0.16, 250.0


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
    depth = FOCAL * BASELINE / (torch.from_numpy(scene.depth).float() + OFFSET)[None, None]
    rgb = torch.from_numpy(scene.rgb).permute(2, 0, 1)[None].float() / 255
    sensed, valid = sense(SENSORS[sensor], depth, rgb, scale, FOCAL, generator)
    guide = disturb_guide(rgb, guide_shift, 1.0, generator)
    grey = round_to((FOCAL * BASELINE / sensed - OFFSET)[0, 0].numpy(), np.uint8, least=1)
    measured = valid[0, 0].numpy()
    pixels = round_to(guide[0].permute(1, 2, 0).numpy() * 255, np.uint8)
    return Trial(
        pixels, np.where(measured, grey, 0).astype(np.uint8), scene.depth, nearest(measured, scene.depth.shape)
    )
