"""The Middlebury 2005 table: `python -m benchmarks.accuracy.quality --scales 4 8 16 [--weights default x4 ...]`.

Every prediction is 8-bit (clamped, rounded) and scored on all pixels of the six images, without crop or mask. The LR
inputs are the published ones, made with Pillow's BICUBIC on 8-bit images; a checkpoint trained for another kernel
loses clearly here. With `--degrade NAME` they are what a sensor would have seen, in millimetres, and where it measured
something is scored, as grey levels of disparity again.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from benchmarks.accuracy.baselines import bicubic, nearest, round_to
from benchmarks.accuracy.joint_bilateral import joint_bilateral
from benchmarks.accuracy.metrics import bias, edge_mad, mad, rmse
from benchmarks.accuracy.published import PUBLISHED
from benchmarks.accuracy.trials import Trial, degraded, published
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.pipeline.holes import fill_holes
from datasets.scenes import MIDDLEBURY_2005, middlebury2005
from simulation.sensors import SENSORS

Scores = dict[str, dict[str, list[float]]]  # method -> measure -> one value per scene

LR_KERNEL = "Pillow BICUBIC, antialiased, rounded to 8 bits after each pass"
NEAREST, BICUBIC, JOINT_BILATERAL = "nearest", "bicubic", "joint bilateral"
MEASURES: dict[str, Callable[[Array, Array, Mask | None], float]] = {
    "MAD": mad,
    "RMSE": rmse,
    "edge-band MAD": edge_mad,
    "bias": bias,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 if the table was made."""
    options = _parse(arguments)
    try:
        scenes = middlebury2005()
        loaded = [DepthUpsampler.from_pretrained(name, device=options.device) for name in options.weights]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    result: dict[str, object] = {
        "lr": options.degrade or LR_KERNEL,
        "guide_shift": options.guide_shift if options.degrade else 0,
        "torch": torch.__version__,
        "device": str(loaded[0].device),
        "self_ensemble": options.self_ensemble,
        "scenes": [*MIDDLEBURY_2005, "mean"],
    }
    named = ", ".join(f"{upsampler.name} ({upsampler.sha256[:12]})" for upsampler in loaded)
    print(f"weights {named}, LR: {result['lr']}")
    for scale in options.scales:
        ours = {each.name: each for each in loaded if each.supports_scale(scale)}
        if options.degrade:
            trials = [degraded(scene, scale, options.degrade, options.guide_shift) for scene in scenes]
        else:
            trials = [published(scene, scale) for scene in scenes]
        scores, seconds = score_scale(ours, trials, scale, options.joint_bilateral, options.self_ensemble)
        others = {} if options.degrade else _published(scale)
        print(f"\n{format_scale(scale, scores, others)}\n")
        for name in ours:
            print(f"{verdict(scale, scores, name)}; {seconds[name]:.1f} s for {len(scenes)} images")
        with_means = {method: {name: [*v, _mean(v)] for name, v in by.items()} for method, by in scores.items()}
        result[f"x{scale}"] = {"scores": with_means}
    write_result(options.out / "quality.json", result, loaded)
    print(f"\nwritten: {options.out / 'quality.json'}")
    return 0


def score_scale(
    upsamplers: Mapping[str, DepthUpsampler],
    trials: Sequence[Trial],
    scale: int,
    with_filter: bool = False,
    ensemble: bool = False,
) -> tuple[Scores, dict[str, float]]:
    """Scores of every method, and the seconds that each of `upsamplers` took for all trials.

    Parameters
    ----------
    upsamplers
        By the names that their rows get.
    with_filter
        Also run the joint bilateral filter (minutes at x16).
    ensemble
        Ours is the mean over the eight flips and transpositions.
    """
    scores: Scores = {}
    seconds = dict.fromkeys(upsamplers, 0.0)
    for trial in trials:
        predictions = baselines(trial, scale, with_filter)
        for name, upsampler in upsamplers.items():
            start = time.perf_counter()
            run = self_ensemble if ensemble else DepthUpsampler.__call__
            predictions[name] = run(upsampler, trial.rgb, trial.lr, scale)
            seconds[name] += time.perf_counter() - start
        for method, prediction in predictions.items():
            by_measure, scored = scores.setdefault(method, {name: [] for name in MEASURES}), trial.as_scored(prediction)
            for name, measure in MEASURES.items():
                by_measure[name].append(measure(scored, trial.truth, trial.mask))
    return scores, seconds


def self_ensemble(upsampler: DepthUpsampler, rgb: Array, lr: Array, scale: int) -> Array:
    """8-bit mean of the results for the eight flips and transpositions of a pair, averaged before rounding."""
    total = np.zeros((lr.shape[0] * scale, lr.shape[1] * scale))
    values = np.maximum(lr, 1).astype(np.float32)  # floats come back without rounding; 0 would be a hole
    for code in range(8):
        total += turn_back(upsampler(turn(rgb, code), turn(values, code), scale), code)
    return round_to(total / 8, np.uint8)


def turn(image: Array, code: int) -> Array:
    """One of the eight symmetries of a square: bit 0 flips columns, bit 1 rows, bit 2 transposes at last."""
    flipped = image[:: -1 if code & 2 else 1, :: -1 if code & 1 else 1]
    return np.ascontiguousarray(flipped.swapaxes(0, 1) if code & 4 else flipped)


def turn_back(image: Array, code: int) -> Array:
    """The inverse of `turn`."""
    upright = image.swapaxes(0, 1) if code & 4 else image
    return upright[:: -1 if code & 2 else 1, :: -1 if code & 1 else 1]


def baselines(trial: Trial, scale: int, with_filter: bool) -> dict[str, Array]:
    """Predictions, not rounded, of the methods that need no training; holes are filled first."""
    size = trial.truth.shape
    if trial.mask is None:
        predictions, filled = {}, trial.lr
    else:
        filled = fill_holes(trial.lr, trial.lr > 0)
        predictions = {NEAREST: nearest(filled, size)}
    d_up = bicubic(filled, size)
    predictions[BICUBIC] = d_up
    if with_filter:
        guide = torch.from_numpy(trial.rgb.astype(np.float32)).permute(2, 0, 1).contiguous()
        filtered = joint_bilateral(torch.from_numpy(d_up.copy()), guide, scale)
        predictions[JOINT_BILATERAL] = filtered.numpy()
    return predictions


def format_scale(scale: int, scores: Scores, others: Mapping[str, Sequence[float | None]]) -> str:
    """One text table per measure; the MAD of `others` stands below our own."""
    blocks = []
    for name in MEASURES:
        rows = [[method, *_cells([*by[name], _mean(by[name])])] for method, by in scores.items()]
        if name == "MAD":
            rows += [[method, *_cells(values)] for method, values in others.items()]
        blocks.append(text_table([f"x{scale} {name}", *MIDDLEBURY_2005, "mean"], rows))
    return "\n\n".join(blocks)


def verdict(scale: int, scores: Scores, name: str) -> str:
    """How many MAD values of `name` beat bicubic, and whether its mean beats the joint bilateral filter."""
    ours, plain = scores[name]["MAD"], scores[BICUBIC]["MAD"]
    wins = sum(a < b for a, b in zip(ours, plain, strict=True))
    line = f"x{scale} {name}: {wins} of {len(ours)} MAD values beat bicubic"
    if JOINT_BILATERAL in scores:
        filtered = _mean(scores[JOINT_BILATERAL]["MAD"])
        verb = "beats" if _mean(ours) < filtered else "does not beat"
        line += f"; the mean {_mean(ours):.3f} {verb} the joint bilateral filter's {filtered:.3f}"
    return line


def _published(scale: int) -> dict[str, list[float | None]]:
    return {row.method: [*(row.scenes[scale] or [None] * len(MIDDLEBURY_2005)), row.means[scale]] for row in PUBLISHED}


def _cells(values: Sequence[float | None]) -> list[str]:
    return ["" if value is None else f"{value:.3f}" for value in values]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line(__doc__, "quality", ["default"])
    parser.add_argument("--scales", type=int, nargs="+", choices=(4, 8, 16), default=[4, 8, 16])
    parser.add_argument("--device", help="cpu or cuda; a GPU by default if there is one")
    parser.add_argument("--degrade", choices=list(SENSORS), help="LR as of this sensor")
    parser.add_argument("--guide-shift", type=float, default=1.0, help="misregistration with --degrade, HR pixels")
    parser.add_argument("--self-ensemble", action="store_true", help="ours: mean over eight flips and transpositions")
    parser.add_argument("--no-joint-bilateral", dest="joint_bilateral", action="store_false", help="skip the filter")
    options = parser.parse_args(arguments)
    if options.degrade and options.self_ensemble:
        parser.error("--self-ensemble is for the published inputs")
    return options


if __name__ == "__main__":
    sys.exit(main())
