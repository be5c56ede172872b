"""Flicker of up-sampled depth: `python -m benchmarks.flicker --weights lite`.

A camera moves past a rendered scene, a simulated sensor sees each frame with new noise. Measured is the standard
deviation over time of each pixel's error against exact depth, in millimetres: a constant error does not flicker. Two
regions: away from every depth edge in all frames ("surfaces"), and the rest of what is always measured ("edges").
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import trimesh

from benchmarks.baselines import bicubic, nearest
from benchmarks.metrics import edge_band
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.holes import fill_holes
from training.raycast import build_scene, default_camera, render
from training.sensors import SENSORS, sense

Array = npt.NDArray[Any]
EDGE_STEP, EDGE_RADIUS = 0.05, 16.0  # metres, pixels


def main() -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["lite"])
    parser.add_argument("--sensors", nargs="+", choices=list(SENSORS), default=list(SENSORS))
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("out", "flicker"))
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    sequence = render_sequence(options.frames)
    figures = {name: measure(loaded, sequence, name, options.scale) for name in options.sensors}
    rows = [
        [sensor, method, *(f"{value:.2f}" for value in values)]
        for sensor, by_method in figures.items()
        for method, values in by_method.items()
    ]
    print(f"x{options.scale}, {options.frames} frames, temporal standard deviation of the error in mm")
    print(text_table(["sensor", "method", "surfaces", "edges"], rows))
    write_result(options.out / "flicker.json", {"scale": options.scale, "figures": figures}, loaded)


def render_sequence(frames: int, width: int = 640, height: int = 480) -> list[tuple[Array, Array]]:
    """RGB and exact metres of a camera that moves 4 mm a frame to the right, and turns a little."""
    scene, camera = build_scene(2000), default_camera(width, height)
    sequence = []
    for index in range(frames):
        pose = trimesh.transformations.euler_matrix(0, np.radians(0.05 * index), 0)
        pose[0, 3] = 0.004 * index
        sequence.append(render(scene, camera, pose, seed=index))
    return sequence


def measure(
    upsamplers: Sequence[DepthUpsampler], sequence: Sequence[tuple[Array, Array]], sensor: str, scale: int
) -> dict[str, tuple[float, float]]:
    """Mean temporal standard deviation in mm on surfaces and at edges, of bicubic and of every up-sampler."""
    errors: dict[str, list[Array]] = {}
    measured = np.ones(sequence[0][1].shape, bool)
    surfaces = measured.copy()
    for index, (rgb, depth) in enumerate(sequence):
        lr = observe(rgb, depth, sensor, scale, seed=index)
        results: dict[str, Array] = {"bicubic": bicubic(fill_holes(lr, lr > 0), depth.shape)}
        results |= {upsampler.weights: upsampler(rgb, lr, scale) for upsampler in upsamplers}
        for name, result in results.items():
            errors.setdefault(name, []).append((result - depth) * 1000)
        measured &= nearest(lr > 0, depth.shape) & (depth > 0)
        surfaces &= ~edge_band(depth, EDGE_STEP, EDGE_RADIUS)
    figures = {}
    for name, stack in errors.items():
        deviation = np.std(stack, axis=0)
        figures[name] = (float(deviation[measured & surfaces].mean()), float(deviation[measured & ~surfaces].mean()))
    return figures


def observe(rgb: Array, depth: Array, sensor: str, scale: int, seed: int) -> npt.NDArray[np.float32]:
    """LR depth in metres as the sensor sees it, holes 0; what is exact is taken to have no hole."""
    focal = default_camera(depth.shape[1], depth.shape[0]).fx
    exact = torch.from_numpy(np.where(depth > 0, depth, depth.max()))[None, None].float()
    guide = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    sensed, valid = sense(SENSORS[sensor], exact, guide, scale, focal, torch.Generator().manual_seed(seed))
    return np.where(valid[0, 0], sensed[0, 0], 0).astype(np.float32)


if __name__ == "__main__":
    main()
