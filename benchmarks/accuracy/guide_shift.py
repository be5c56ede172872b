"""Errors with a misregistered guide: `python -m benchmarks.accuracy.guide_shift --weights default`.

Middlebury 2005 with the published LR inputs and the RGB image moved by 0 to 8 HR pixels: mean MAD of the six scenes.
"""

from dataclasses import replace

import numpy as np
import torch

from benchmarks.accuracy.baselines import round_to
from benchmarks.accuracy.quality import score_scale
from benchmarks.accuracy.trials import Trial, published
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from datasets.scenes import middlebury2005
from simulation.sensors import disturb_guide


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "guide_shift", ["default"])
    parser.add_argument("--scale", type=int, choices=(4, 8, 16), default=8)
    parser.add_argument("--shifts", type=float, nargs="+", default=[0, 1, 2, 3, 4, 6, 8])
    options = parser.parse_args()
    loaded = {name: DepthUpsampler.from_pretrained(name) for name in options.weights}
    trials = [published(scene, options.scale) for scene in middlebury2005()]
    curve: dict[str, list[float]] = {}
    for pixels in options.shifts:
        scores, _ = score_scale(loaded, [shifted(trial, pixels) for trial in trials], options.scale)
        for method, by_measure in scores.items():
            curve.setdefault(method, []).append(float(np.mean(by_measure["MAD"])))
    rows = [[method, *(f"{value:.3f}" for value in values)] for method, values in curve.items()]
    print(text_table([f"x{options.scale} MAD", *(f"{pixels:g} px" for pixels in options.shifts)], rows))
    write_result(options.out / "guide_shift.json", {"shifts": options.shifts, "MAD": curve}, loaded.values())


def shifted(trial: Trial, pixels: float) -> Trial:
    """The trial with its guide moved so far, in a direction that depends on nothing but `pixels`."""
    rgb = torch.tensor(trial.rgb).permute(2, 0, 1)[None].float() / 255
    moved = disturb_guide(rgb, pixels, 0.0, torch.Generator().manual_seed(0))
    return replace(trial, rgb=round_to(moved[0].permute(1, 2, 0).numpy() * 255, np.uint8))


if __name__ == "__main__":
    main()
