"""Errors near by when far depth is in the image: `python -m benchmarks.accuracy.wide_range [--scenes val|eval]`.

Crops of the scenes, LR depth in float, shrunk by Pillow's bicubic. A far patch (3 % of the image in a corner, 5, 20 and
100 times the largest LR sample) or a sky (the upper third, 1,000 m) is set into the LR depth alone. Measured is the
mean absolute difference from the truth more than 6 LR samples away from it, with and without: grey levels for the
patch, millimetres for the sky, whose scenes are read as depth of 1.2 to 2.4 m. A ratio of 1 means that far depth costs
nothing.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.baselines import bicubic
from benchmarks.accuracy.metrics import mad
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.pipeline.holes import fill_holes
from datasets.scenes import RgbdScene, middlebury2005, validation_scenes
from simulation.sensors import BASELINE, FOCAL, OFFSET

Method = Callable[[Array, Array, int], Array]  # RGB, LR depth, scale -> depth
CROP = 384  # pixels a side at most
TIMES = (5, 20, 100)  # the largest LR sample
PATCH_SHARE, SKY_SHARE = 0.03, 1 / 3
SKY = 1000.0  # metres
AWAY = 6  # LR samples


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "wide_range", ["default"])
    parser.add_argument("--scenes", choices=("val", "eval"), default="val", help="val chooses, eval only reports")
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8, 16])
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    scenes = validation_scenes() if options.scenes == "val" else middlebury2005()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for scale in options.scales:
        methods: dict[str, Method] = {"bicubic": _bicubic}
        methods |= {each.name: each for each in loaded if each.supports_scale(scale)}
        figures[f"x{scale}"] = {name: measure(method, scenes, scale) for name, method in methods.items()}
        print(f"{options.scenes}, {len(scenes)} scenes\n{format_scale(scale, figures[f'x{scale}'])}\n", flush=True)
    content = {"scenes": options.scenes, "figures": figures}
    write_result(options.out / f"wide_range_{options.scenes}.json", content, loaded)


def measure(method: Method, scenes: Sequence[RgbdScene], scale: int) -> dict[str, float]:
    """Means over the scenes: "alone" in grey levels, "room" in millimetres, what far depth makes of each, and ratios.

    Returns
    -------
    "alone", "5 times", "20 times", "100 times" in grey levels; "room", "sky" in millimetres; "ratio, ..." of each that
    has far depth to the one without.
    """
    rows = [{**_far_patch(method, scene, scale), **_sky(method, scene, scale)} for scene in scenes]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    without = {**{f"{times} times": "alone" for times in TIMES}, "sky": "room"}
    return {**means, **{f"ratio, {name}": means[name] / means[plain] for name, plain in without.items()}}


def cut(scene: RgbdScene) -> tuple[Array, Array, Mask]:
    """RGB, depth in float32 with its holes filled, and validity of a scene's middle; sides are multiples of 16."""
    truth = fill_holes(scene.depth, scene.valid).astype(np.float32)
    sides = [min(side, CROP) // 16 * 16 for side in truth.shape]
    rows, columns = (slice((n - side) // 2, (n + side) // 2) for n, side in zip(truth.shape, sides, strict=True))
    return np.ascontiguousarray(scene.rgb[rows, columns]), truth[rows, columns].copy(), scene.valid[rows, columns]


def corner(shape: tuple[int, ...]) -> Mask:
    """The samples of the far patch: the upper right corner."""
    return _box(shape, PATCH_SHARE**0.5, PATCH_SHARE**0.5)


def sky(shape: tuple[int, ...]) -> Mask:
    """The samples of the sky: the upper third."""
    return _box(shape, SKY_SHARE, 1)


def elsewhere(far: Mask, scale: int) -> Mask:
    """(H, W): pixels more than `AWAY` samples away from those of `far` (h, w), rows and columns each by itself."""
    rows, columns = far.any(1).nonzero()[0], far.any(0).nonzero()[0]
    mask = np.ones([side * scale for side in far.shape], bool)
    top, left = (max(int(axis[0]) - AWAY, 0) * scale for axis in (rows, columns))
    mask[top : (rows[-1] + 1 + AWAY) * scale, left : (columns[-1] + 1 + AWAY) * scale] = False
    return mask


def format_scale(scale: int, figures: dict[str, dict[str, float]]) -> str:
    """One line a method."""
    cases = [f"{times} times" for times in TIMES]
    rows = [
        [
            name,
            *(f"{each['alone']:.3f}", *(f"{each[case]:.3f} ({each[f'ratio, {case}']:.3f})" for case in cases)),
            *(f"{each['room']:.2f}", f"{each['sky']:.2f} ({each['ratio, sky']:.3f})"),
        ]
        for name, each in figures.items()
    ]
    return text_table([f"x{scale}, MAD (ratio)", "alone", *cases, "room, mm", "sky"], rows)


def _far_patch(method: Method, scene: RgbdScene, scale: int) -> dict[str, float]:
    rgb, truth, valid = cut(scene)
    lr = _shrink(truth, scale)
    far = corner(lr.shape)
    scored = elsewhere(far, scale) & valid
    errors = {"alone": mad(_call(method, rgb, lr, scale), truth, scored)}
    for times in TIMES:
        changed = np.where(far, times * lr.max(), lr).astype(np.float32)
        errors[f"{times} times"] = mad(_call(method, rgb, changed, scale), truth, scored)
    return errors


def _sky(method: Method, scene: RgbdScene, scale: int) -> dict[str, float]:
    rgb, truth, valid = cut(scene)
    metres = (FOCAL * BASELINE / (truth + OFFSET)).astype(np.float32)
    lr = _shrink(metres, scale)
    far = sky(lr.shape)
    scored = elsewhere(far, scale) & valid
    under = np.where(far, np.float32(SKY), lr)
    return {
        name: 1000 * mad(_call(method, rgb, depth, scale), metres, scored)
        for name, depth in (("room", lr), ("sky", under))
    }


def _call(method: Method, rgb: Array, lr: Array, scale: int) -> Array:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*if this value marks holes")  # it does not
        return method(rgb, lr, scale)


def _shrink(depth: Array, scale: int) -> npt.NDArray[np.float32]:
    """Not rounded; 0 and below would be read as holes."""
    lr = bicubic(depth, (depth.shape[0] // scale, depth.shape[1] // scale))
    positive: npt.NDArray[np.float32] = np.maximum(lr, np.float32(1e-3))
    return positive


def _bicubic(rgb: Array, lr: Array, scale: int) -> Array:
    return bicubic(lr, rgb.shape[:2])


def _box(shape: tuple[int, ...], down: float, across: float) -> Mask:
    """A share of the rows from above, and of the columns from the right."""
    mask = np.zeros(shape, bool)
    mask[: max(round(down * shape[0]), 1), shape[1] - max(round(across * shape[1]), 1) :] = True
    return mask


if __name__ == "__main__":
    main()
