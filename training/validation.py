"""Validate while training, on the scenes of val/ and without their holes, and compute the score of a release."""

import warnings
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.backends.per_scale import Network
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.resample import resize_bicubic
from bridgenet_infer.upsampler import DepthUpsampler
from bridgenet_infer.weights import Checkpoint
from simulation.degrade import NEAREST, PILLOW, make_lr, to_eight_bit
from simulation.sensors import SENSORS, disturb_guide, millimetres_to_disparity, sense_disparity
from training.pool import read_scene

FAR_SHARE, FAR_TIMES = 0.03, 20  # of the image, of its largest sample
APART = 6  # LR samples
GREY = 128


@dataclass(frozen=True)
class Scene:
    """rgb (H, W, 3) uint8, truth (H, W) uint8 with holes filled, valid (H, W) bool; sides multiples of 16.

    `group` is the folder of scenes of one size.
    """

    group: str
    name: str
    rgb: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    valid: Mask


def load_scenes(folder: Path) -> list[Scene]:
    """All scenes below `folder`, cropped to multiples of 16; an empty list if it is absent."""
    scenes = []
    for path in sorted(meta.parent for meta in folder.rglob("meta.json")):
        rgb, grey, valid = read_scene(path)
        height, width = (side // 16 * 16 for side in grey.shape)
        window = (slice(height), slice(width))
        truth = (fill_holes(grey[window], valid[window]) + 0.5).astype(np.uint8)
        scenes.append(Scene(path.parent.name, path.name, np.ascontiguousarray(rgb[window]), truth, valid[window]))
    return scenes


def validate(model: Network, scenes: list[Scene], scales: tuple[int, ...], device: torch.device) -> dict[str, float]:
    """Errors through the public up-sampler.

    Returns
    -------
    For each scale "x8", the MAD in grey levels; "score_x8", the MAD as a share of bicubic's; "far_x8", the same share
    away from a far patch in the LR depth; "unguided_x8", the same share with plain grey in place of RGB; and
    "nearest_x8", the share where LR depth is made by nearest neighbour, as few cameras average. All are means over the
    groups of scenes, so that large images count as much as many small ones. Score and far together decide on releases.
    A network that does as well unguided ignores RGB.
    """
    upsampler = DepthUpsampler(Checkpoint(model), device=device)
    means: dict[str, float] = {}
    for scale in scales:
        groups: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for scene in scenes:
            samples, bicubic = _shrink(scene, scale, PILLOW)
            picked, bicubic_of_picked = _shrink(scene, scale, NEAREST)
            prediction, of_picked = (upsampler(scene.rgb, lr, scale) for lr in (samples, picked))
            unguided = upsampler(np.full_like(scene.rgb, GREY), samples, scale)
            patched, elsewhere = _with_far_patch(samples.astype(np.float32), scale)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the patch looks like a mark for holes
                beside_far = np.rint(upsampler(scene.rgb, patched, scale).astype(np.float32))
            groups[scene.group].append(
                (
                    _mad(scene, prediction, scene.valid),
                    _mad(scene, bicubic, scene.valid),
                    _mad(scene, beside_far, scene.valid & elsewhere),
                    _mad(scene, bicubic, scene.valid & elsewhere),
                    _mad(scene, unguided, scene.valid),
                    _mad(scene, of_picked, scene.valid),
                    _mad(scene, bicubic_of_picked, scene.valid),
                )
            )
        rows = np.array([np.mean(rows, 0) for rows in groups.values()]).reshape(-1, 7)
        ours, bicubics, far, far_bicubics, unguided_errors, picked_errors, picked_bicubics = rows.T
        means |= {
            f"x{scale}": float(ours.mean()),
            f"score_x{scale}": float((ours / bicubics).mean()),
            f"far_x{scale}": float((far / far_bicubics).mean()),
            f"unguided_x{scale}": float((unguided_errors / bicubics).mean()),
            f"nearest_x{scale}": float((picked_errors / picked_bicubics).mean()),
        }
    return means


def _shrink(scene: Scene, scale: int, kernel: str) -> tuple[npt.NDArray[np.uint8], Array]:
    """LR depth by one of `LR_KERNELS`, and its bicubic enlargement in whole grey levels."""
    truth = torch.from_numpy(scene.truth.astype(np.float32))[None, None]
    lr = make_lr(truth, scale, eight_bit=True, kernel=kernel).clamp(min=1)  # 0 would be read as a hole
    bicubic = to_eight_bit(resize_bicubic(lr, (scene.truth.shape[0], scene.truth.shape[1])))
    return lr[0, 0].numpy().astype(np.uint8), bicubic[0, 0].numpy()


def _with_far_patch(lr: Array, scale: int) -> tuple[Array, Mask]:
    """LR depth (h, w) float32 with `FAR_SHARE` of it in a corner set far away, and the HR pixels that lie apart."""
    height, width = (max(round(side * FAR_SHARE**0.5), 1) for side in lr.shape)
    patched = lr.copy()
    patched[:height, :width] = FAR_TIMES * lr.max()
    elsewhere = np.ones([side * scale for side in lr.shape], bool)
    elsewhere[: (height + APART) * scale, : (width + APART) * scale] = False
    return patched, elsewhere


def _mad(scene: Scene, prediction: npt.NDArray[np.generic], where: Mask) -> float:
    return float(np.abs(prediction.astype(np.float32) - scene.truth)[where].mean())


def validate_sensed(model: Network, scenes: list[Scene], scale: int, device: torch.device) -> float:
    """Mean MAD in grey levels over all sensors, of the valid pixels that were measured; the guide is disturbed."""
    upsampler = DepthUpsampler(Checkpoint(model), device=device)
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
