"""Validation while training: MAD on the real scenes of val/ by the table's rule, holes not scored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bridgenet_infer.compiled import Network
from bridgenet_infer.holes import fill_holes
from bridgenet_infer.upsampler import DepthUpsampler
from training.degrade import make_lr
from training.pool import read_scene
from training.sensors import SENSORS, disturb_guide, millimetres_to_disparity, sense_disparity


@dataclass(frozen=True)
class Scene:
    """rgb (H, W, 3) uint8, truth (H, W) uint8 with holes filled, valid (H, W) bool; sides multiples of 16."""

    name: str
    rgb: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]


def load_scenes(folder: Path) -> list[Scene]:
    """All scenes below `folder`, cropped to multiples of 16; an empty list if it is absent."""
    scenes = []
    for path in sorted(meta.parent for meta in folder.rglob("meta.json")):
        rgb, grey, valid = read_scene(path)
        height, width = (side // 16 * 16 for side in grey.shape)
        window = (slice(height), slice(width))
        truth = (fill_holes(grey[window], valid[window]) + 0.5).astype(np.uint8)
        scenes.append(Scene(path.name, np.ascontiguousarray(rgb[window]), truth, valid[window]))
    return scenes


def validate(model: Network, scenes: list[Scene], scales: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Mean MAD in grey levels per scale, as {"x8": ...}, through the public up-sampler."""
    upsampler = DepthUpsampler(model, device=device)
    means: dict[str, Any] = {}
    for scale in scales:
        errors = []
        for scene in scenes:
            truth = torch.from_numpy(scene.truth.astype(np.float32))[None, None]
            lr = make_lr(truth, scale, eight_bit=True)[0, 0].numpy().astype(np.uint8)
            lr = np.maximum(lr, 1)  # 0 would be read as a hole
            prediction = upsampler(scene.rgb, lr, scale)
            difference = np.abs(prediction.astype(np.float32) - scene.truth)
            errors.append(float(difference[scene.valid].mean()))
        means[f"x{scale}"] = sum(errors) / max(len(errors), 1)
    return means


def validate_sensed(model: Network, scenes: list[Scene], scale: int, device: torch.device) -> float:
    """Mean MAD in grey levels over all sensors, of the valid pixels that were measured; the guide is disturbed."""
    upsampler = DepthUpsampler(model, device=device)
    errors = []
    for index, (scene, sensor) in enumerate(product(scenes, SENSORS.values())):
        generator = torch.Generator().manual_seed(index)
        rgb = torch.from_numpy(scene.rgb).permute(2, 0, 1)[None].float() / 255
        truth = torch.from_numpy(scene.truth.astype(np.float32))[None, None]
        lr = sense_disparity(sensor, truth, rgb, scale, generator)[0, 0].numpy()
        guide = disturb_guide(rgb, 1.0, 1.0, generator)[0].permute(1, 2, 0).numpy()
        prediction = upsampler((guide * 255 + 0.5).astype(np.uint8), lr, scale)
        difference = np.abs(millimetres_to_disparity(prediction) - scene.truth)
        errors.append(float(difference[scene.valid & (prediction > 0)].mean()))
    return sum(errors) / max(len(errors), 1)
