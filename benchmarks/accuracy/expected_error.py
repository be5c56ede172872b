"""How well the expected error tells the true one: `python -m benchmarks.accuracy.expected_error [--weights default]`.

Validation scenes at x8: shrunk cleanly, and as each simulated sensor sees them. Errors are absolute ones in grey levels
of disparity, or in millimetres; what was not measured does not count.

"all": the mean absolute difference. "95 %": without the twentieth of the pixels of each image that a predictor finds
least sure. "fall": by how much it is less. "AUSE": the area between the sparsification curve of a predictor and that of
the true error, both as shares of "all". The predictors: the expected error, the local reach, and the standard deviation
over eight flips and transpositions.

"calibration": the pixels whose expected error is above one quantum of the truth (a grey level) in ten parts by it; in
each the median of |error| / expected error, as a multiple of a Laplace distribution's, which is log 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.accuracy.quality import turn, turn_back
from benchmarks.accuracy.trials import degraded
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.normalise import local_range
from bridgenet_infer.pipeline.resample import resize_bilinear
from datasets.scenes import RgbdScene, make_pair, validation_scenes
from simulation.sensors import BASELINE, FOCAL, OFFSET, SENSORS

CLEAN = "clean"
CASES = (CLEAN, *SENSORS)
PREDICTORS = ("expected error", "reach", "eight flips")
DROPPED = 0.05
STEPS = 100  # of a sparsification curve
SAMPLED = 50_000  # pixels of an image for the calibration
PARTS = 10


@dataclass(frozen=True)
class Measured:
    """The measured pixels of one image, all in one unit: (N,) each."""

    error: npt.NDArray[np.float64]
    predictors: dict[str, npt.NDArray[np.float64]]
    quantum: npt.NDArray[np.float64]


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "expected_error", ["default"])
    parser.add_argument("--scale", type=int, default=8)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name) for name in options.weights]
    scenes, figures = validation_scenes(), {}
    for case in options.cases:
        figures[case] = {each.name: measure(each, scenes, case, options.scale) for each in loaded}
    print(format_figures(figures))
    write_result(options.out / "expected_error.json", {"scale": options.scale, "figures": figures}, loaded)


def measure(upsampler: DepthUpsampler, scenes: Sequence[RgbdScene], case: str, scale: int) -> dict[str, object]:
    """Means over the scenes, by predictor, and the calibration of all together."""
    images = [measure_image(upsampler, *pair) for pair in pairs(scenes, case, scale)]
    means = np.array([image.error.mean() for image in images])
    oracles = [sparsify(image.error, image.error) for image in images]
    result: dict[str, object] = {"all": float(means.mean())}
    for name in PREDICTORS:
        curves = [sparsify(image.error, image.predictors[name]) for image in images]
        kept = float(np.mean([curve[round(DROPPED * STEPS)] for curve in curves]))
        areas = [np.mean(c - o) / mean for c, o, mean in zip(curves, oracles, means, strict=True)]
        result[name] = {"95 %": kept, "fall": float(1 - kept / means.mean()), "AUSE": float(np.mean(areas))}
    return result | {"calibration": calibration(images)}


def pairs(
    scenes: Sequence[RgbdScene], case: str, scale: int
) -> Iterator[tuple[Array, Array, Array, npt.NDArray[np.float64], Mask]]:
    """RGB, LR depth, truth, its quantum and the pixels that were measured, of every scene."""
    for scene in scenes:
        rgb, lr, grey = make_pair(scene, scale)
        valid = scene.valid[: grey.shape[0], : grey.shape[1]]
        if case == CLEAN:
            # floats come back without rounding; 0 would be a hole
            yield rgb, np.maximum(lr, 1).astype(np.float32), grey.astype(np.float64), np.ones(grey.shape), valid
        else:
            trial = degraded(replace(scene, rgb=rgb, depth=grey), scale, case)
            truth = FOCAL * BASELINE * 1000 / (grey + OFFSET)
            mask = valid if trial.mask is None else valid & trial.mask
            yield trial.rgb, trial.lr, truth, truth / (grey + OFFSET), mask


def measure_image(
    upsampler: DepthUpsampler, rgb: Array, lr: Array, truth: Array, quantum: npt.NDArray[np.float64], mask: Mask
) -> Measured:
    """Errors and predictors of one image."""
    results = [upsampler.predict(turn(rgb, code), turn(lr, code)) for code in range(8)]
    first = results[0]
    assert isinstance(first.depth, np.ndarray)
    if not isinstance(first.expected_error, np.ndarray):
        raise ValueError(f"weights {upsampler.name!r} have no head for the expected error")
    turned = np.stack([turn_back(np.asarray(each.depth, np.float64), code) for code, each in enumerate(results)])
    predictors = (first.expected_error, local_reach(rgb, lr), turned.std(0))
    return Measured(
        np.abs(first.depth - truth)[mask],
        {name: x[mask].astype(np.float64) for name, x in zip(PREDICTORS, predictors, strict=True)},
        quantum[mask],
    )


def local_reach(rgb: Array, lr: Array) -> npt.NDArray[np.float32]:
    """(H, W): the extent of the LR depths around every pixel, in the unit of `lr`."""
    filled = torch.from_numpy(fill_holes(lr.astype(np.float32), lr > 0))[None, None]
    reach: npt.NDArray[np.float32] = resize_bilinear(local_range(filled)[1], (rgb.shape[0], rgb.shape[1]))[0, 0].numpy()
    return reach


def sparsify(error: npt.NDArray[np.float64], predictor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean error of what is left without 0, 1 / STEPS, 2 / STEPS ... of the pixels, those first that are least sure."""
    ordered = np.concatenate(([0.0], np.cumsum(error[np.argsort(predictor, kind="stable")])))
    left = np.round(error.size * (1 - np.arange(STEPS) / STEPS)).astype(np.intp)
    curve: npt.NDArray[np.float64] = ordered[left] / left
    return curve


def calibration(images: Sequence[Measured]) -> dict[str, list[float]]:
    """By parts of the expected error: its median in quanta, and the ratio to a Laplace distribution's."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(image.error.size)[:SAMPLED] for image in images]
    error, expected, quantum = (
        np.concatenate([values[picks] for values, picks in zip(column, chosen, strict=True)])
        for column in zip(*((x.error, x.predictors[PREDICTORS[0]], x.quantum) for x in images), strict=True)
    )
    above = expected > quantum
    ratio, quanta = (error / expected)[above], (expected / quantum)[above]
    parts = np.array_split(np.argsort(expected[above]), PARTS)
    return {
        "quanta": [float(np.median(quanta[part])) for part in parts],
        "ratio": [float(np.median(ratio[part]) / np.log(2)) for part in parts],
    }


def format_figures(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """One table of the predictors, and one of the calibration."""
    rows, parts = [], []
    for case, by_weights in figures.items():
        for weights, result in by_weights.items():
            for name in PREDICTORS:
                row = result[name]
                shares = [f"{row['fall']:.1%}", f"{row['AUSE']:.3f}"]
                rows.append([f"{case}, {weights}", name, f"{result['all']:.3f}", f"{row['95 %']:.3f}", *shares])
            parts.append([f"{case}, {weights}", *(f"{ratio:.2f}" for ratio in result["calibration"]["ratio"])])
    header = ["calibration", *(f"part {part}" for part in range(1, PARTS + 1))]
    return f"{text_table(['', '', 'all', '95 %', 'fall', 'AUSE'], rows)}\n\n{text_table(header, parts)}"


if __name__ == "__main__":
    main()
