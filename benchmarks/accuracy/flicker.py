"""Flicker of up-sampled depth: `python -m benchmarks.accuracy.flicker --weights default`.

A camera moves past a rendered scene, a simulated sensor sees each frame with new noise. Measured is the standard
deviation over time of each pixel's error against exact depth, in millimetres: a constant error does not flicker. Two
regions: away from every depth edge in all frames ("surfaces"), and the rest of what is always measured ("edges").

Then the camera and the scene stand still, and the LR depth has no noise, while something 20 times as far as all else
enters from the right until it covers 3 % of the image. Whatever is more than 6 LR samples away should not change.
"""

import warnings
from argparse import ArgumentParser
from collections.abc import Sequence

import numpy as np
import trimesh

from benchmarks.accuracy.baselines import bicubic, nearest
from benchmarks.accuracy.metrics import edge_band
from benchmarks.accuracy.wide_range import elsewhere
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.temporal import Temporal, TemporalFilter
from simulation.observe import observe
from simulation.raycast import build_scene, default_camera, render
from simulation.sensors import SENSORS

EDGE_STEP, EDGE_RADIUS = 0.05, 16.0  # metres, pixels
FAR_OBJECT = "far object"
FAR_TIMES, FAR_HEIGHT, FAR_WIDTH = 20, 0.3, 0.1  # the largest LR sample, shares of the sides at last


def main() -> None:
    """Command line of the benchmark."""
    options = sequence_command(__doc__, "flicker", "default").parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    sequence = render_sequence(options.frames)
    figures = {name: measure(loaded, sequence, name, options.scale) for name in options.sensors}
    figures[FAR_OBJECT] = measure_far_object(loaded, *sequence[0], options.scale, options.frames)
    rows = [
        [sensor, method, *(f"{value:.3f}" for value in values)]
        for sensor, by_method in figures.items()
        for method, values in by_method.items()
    ]
    print(f"x{options.scale}, {options.frames} frames, temporal standard deviation of the error in mm")
    print(text_table(["sensor", "method", "surfaces", "edges"], rows))
    write_result(options.out / "flicker.json", {"scale": options.scale, "figures": figures}, loaded)


def sequence_command(doc: str | None, name: str, weights: str) -> ArgumentParser:
    """The command line of a benchmark of sensors' sequences."""
    parser = command_line(doc, name, [weights])
    parser.add_argument("--sensors", nargs="+", choices=list(SENSORS), default=list(SENSORS))
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--frames", type=int, default=12)
    return parser


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
    upsamplers: Sequence[DepthUpsampler],
    sequence: Sequence[tuple[Array, Array]],
    sensor: str,
    scale: int,
    temporal: Temporal | None = None,
) -> dict[str, tuple[float, float]]:
    """Mean temporal standard deviation in mm on surfaces and at edges, of bicubic and of every up-sampler."""
    steady = None if temporal is None else TemporalFilter(temporal)
    errors: dict[str, list[Array]] = {}
    measured = np.ones(sequence[0][1].shape, bool)
    surfaces = measured.copy()
    for index, (rgb, depth) in enumerate(sequence):
        sensed = observe(rgb, depth, sensor, scale, seed=index)
        lr = sensed if steady is None else steady(sensed)
        results: dict[str, Array] = {"bicubic": bicubic(fill_holes(lr, lr > 0), depth.shape)}
        results |= {upsampler.name: upsampler(rgb, lr, scale) for upsampler in upsamplers}
        for name, result in results.items():
            errors.setdefault(name, []).append((result - depth) * 1000)
        measured &= nearest(sensed > 0, depth.shape) & (depth > 0)
        surfaces &= ~edge_band(depth, EDGE_STEP, EDGE_RADIUS)
    figures = {}
    for name, stack in errors.items():
        deviation = np.std(stack, axis=0)
        figures[name] = (float(deviation[measured & surfaces].mean()), float(deviation[measured & ~surfaces].mean()))
    return figures


def measure_far_object(
    upsamplers: Sequence[DepthUpsampler], rgb: Array, depth: Array, scale: int, frames: int
) -> dict[str, tuple[float, float]]:
    """`measure` of one scene elsewhere, while a far object enters in all frames but the first."""
    small = (depth.shape[0] // scale, depth.shape[1] // scale)
    still = np.maximum(bicubic(fill_holes(depth, depth > 0), small), np.float32(0.001))
    stack: dict[str, list[Array]] = {}
    for index in range(frames):
        far = _far_object(small, index / max(frames - 1, 1))
        lr = np.where(far, FAR_TIMES * still.max(), still)
        results: dict[str, Array] = {"bicubic": bicubic(lr, depth.shape)}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*if this value marks holes")  # it does not
            results |= {upsampler.name: upsampler(rgb, lr, scale) for upsampler in upsamplers}
        for name, result in results.items():
            stack.setdefault(name, []).append((result - depth) * 1000)
    scored = elsewhere(_far_object(small, 1.0), scale) & (depth > 0)
    surfaces = ~edge_band(depth, EDGE_STEP, EDGE_RADIUS)
    deviations = {name: np.std(values, axis=0) for name, values in stack.items()}
    return {
        name: (float(deviation[scored & surfaces].mean()), float(deviation[scored & ~surfaces].mean()))
        for name, deviation in deviations.items()
    }


def _far_object(size: tuple[int, int], entered: float) -> Mask:
    """(h, w): the samples that it covers when a share of its width has entered from the right, half-way down."""
    mask = np.zeros(size, bool)
    height, width = round(FAR_HEIGHT * size[0]), round(FAR_WIDTH * size[1] * entered)
    top = (size[0] - height) // 2
    mask[top : top + height, size[1] - width :] = True
    return mask


if __name__ == "__main__":
    main()
