"""Errors on the near sides of very wide edges: `python -m benchmarks.accuracy.wide_edges [--weights default x8 ...]`.

Rendered streets whose depth is known exactly: the example, others of the same kind, and these with a sky of 1,000 m in
place of holes. A pixel lies near a very wide edge if two neighbours within 3 LR samples differ by more than 1:4, and on
its near side if it is nearer than the geometric mean of the nearest and the farthest depth there. The table has the
median relative error of these pixels in per cent, for LR depth as the examples have it (Pillow's bicubic) and for block
means.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.baselines import bicubic, nearest
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.demo.scenes import load_scene, shrink
from bridgenet_infer.pipeline.holes import fill_holes
from simulation.raycast import build_scene, default_camera, render
from simulation.render_examples import MILLIMETRES, UINT16_LIMIT

Method = Callable[[Array, Array, int], Array]  # RGB, LR depth, scale -> depth
RATIO = 4.0
NEAR = 3  # LR samples
SKY = 1e6  # millimetres
FIRST_SEED = 5000  # not of training


@dataclass(frozen=True)
class Street:
    """rgb (H, W, 3) uint8; depth (H, W) float32 millimetres, holes 0; they become `sky` millimetres if it is not 0."""

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    sky: float = 0.0


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "wide_edges", ["default"])
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--streets", type=int, default=4, help="beside the example")
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    sets = street_sets(options.streets)
    figures: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for scale in options.scales:
        methods: dict[str, Method] = {"nearest": _nearest, "bicubic": _bicubic}
        methods |= {each.name: each for each in loaded if each.supports_scale(scale)}
        figures[f"x{scale}"] = {
            name: {kernel: measure(methods, streets, scale, kernel) for kernel in KERNELS}
            for name, streets in sets.items()
        }
        print(f"{format_scale(scale, figures[f'x{scale}'])}\n", flush=True)
    write_result(options.out / "wide_edges.json", {"figures": figures}, loaded)


def street_sets(count: int) -> dict[str, list[Street]]:
    """The example, `count` streets rendered like it, and these under a sky."""
    example = load_scene("street")
    if example.exact is None:
        raise ValueError("the example has no exact depth")
    rendered = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rgb, metres = render(build_scene(seed, "outdoor"), default_camera(), seed=seed)
        depth = np.where(metres < UINT16_LIMIT, metres * MILLIMETRES, 0).astype(np.float32)
        rendered.append(Street(rgb, depth))
    sets = {"example": [Street(example.rgb, example.exact.astype(np.float32))]}
    if rendered:
        sets["streets"] = rendered
        sets["under a sky"] = [Street(street.rgb, street.depth, SKY) for street in rendered]
    return sets


def block_means(depth: npt.NDArray[np.float32], scale: int) -> npt.NDArray[np.float32]:
    """Exact depth (H, W) -> (H / scale, W / scale): means with holes filled, then 0 put back as `shrink` does."""
    height, width = (side // scale for side in depth.shape)
    valid = depth > 0
    means = fill_holes(depth, valid).reshape(height, scale, width, scale).mean((1, 3))
    small: npt.NDArray[np.float32] = np.where(nearest(valid, (height, width)), means, np.float32(0))
    return small


KERNELS: dict[str, Callable[[npt.NDArray[np.float32], int], Array]] = {
    "as the examples": shrink,
    "block means": block_means,
}


def measure(methods: Mapping[str, Method], streets: Sequence[Street], scale: int, kernel: str) -> dict[str, float]:
    """In per cent: the share of pixels that are scored, "near edges", and the median relative error of every method."""
    errors: dict[str, list[Array]] = {name: [] for name in methods}
    share = []
    for street in streets:
        lr = KERNELS[kernel](street.depth, scale)
        if street.sky:  # set in truth and LR depth alike: a kernel would ring far below 0
            lr = np.where(lr > 0, lr, np.float32(street.sky))
        truth = np.where(street.depth > 0, street.depth, np.float32(street.sky))
        mask = near_sides(truth, scale) & (street.depth > 0) & nearest(lr > 0, truth.shape)
        share.append(mask.mean())
        for name, method in methods.items():
            result = method(street.rgb, lr, scale)[mask].astype(np.float64)
            errors[name].append(np.abs(result - truth[mask]) / truth[mask])
    medians = {name: 100 * float(np.median(np.concatenate(values))) for name, values in errors.items()}
    return {"near edges": 100 * float(np.mean(share)), **medians}


def near_sides(depth: npt.NDArray[np.float32], scale: int) -> Mask:
    """(H, W): pixels on the near side of an edge of more than 1:4 within 3 LR samples; holes are filled."""
    filled = fill_holes(depth, depth > 0)
    square = np.ones((2 * NEAR * scale + 1,) * 2, np.uint8)
    edges = np.zeros(depth.shape, np.uint8)
    for axis in (0, 1):
        before, after = np.delete(filled, -1, axis), np.delete(filled, 0, axis)
        wide = np.maximum(before, after) > RATIO * np.minimum(before, after)
        edges |= np.insert(wide, 0, False, axis) | np.insert(wide, wide.shape[axis], False, axis)
    middle = np.sqrt(cv2.erode(filled, square).astype(np.float64) * cv2.dilate(filled, square))
    near: Mask = (cv2.dilate(edges, square) > 0) & (filled < middle)
    return near


def format_scale(scale: int, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """One line for each set of streets and kernel."""
    rows = [[f"{name}, {kernel}", *(f"{value:.2f}" for value in values.values())]
            for name, by_kernel in figures.items() for kernel, values in by_kernel.items()]  # fmt: skip
    first = next(iter(next(iter(figures.values())).values()))
    return text_table([f"x{scale}, %", *first], rows)


def _nearest(rgb: Array, lr: Array, scale: int) -> Array:
    return nearest(fill_holes(lr, lr > 0), rgb.shape[:2])


def _bicubic(rgb: Array, lr: Array, scale: int) -> Array:
    return bicubic(fill_holes(lr, lr > 0), rgb.shape[:2])


if __name__ == "__main__":
    main()
