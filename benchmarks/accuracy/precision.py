"""Compare half and single precision on Middlebury 2005: `python -m benchmarks.accuracy.precision [--scales 4 8 16]`.

On CUDA that is what users get; elsewhere the half-precision trunk is emulated, slowly: the same roundings, other
kernels.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy.baselines import round_to
from benchmarks.accuracy.metrics import mad
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from datasets.scenes import MIDDLEBURY_2005, RgbdScene, middlebury2005

LIMIT = 0.01  # grey levels of 0..255


def main() -> int:
    """Print the table; 1 if half precision is farther away than the limit."""
    parser = command_line(__doc__, "precision", "default")
    parser.add_argument("--scales", type=int, nargs="+", choices=(4, 8, 16), default=[4, 8, 16])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    half = DepthUpsampler.from_pretrained(options.weights, device=options.device, precision="fp16")
    full = DepthUpsampler.from_pretrained(options.weights, device=options.device, precision="fp32")
    scenes = middlebury2005()
    rows = {f"x{scale}": compare(half, full, scenes, scale) for scale in options.scales}
    worst = max(row["fp16 - fp32"][-1] for row in rows.values())
    print(f"weights {half.name} on {half.device}" + ("" if half.device.type == "cuda" else ", fp16 emulated"))
    cells = [
        [f"{scale} {name}", *(f"{v:.4f}" for v in values)]
        for scale, row in rows.items()
        for name, values in row.items()
    ]
    print(text_table(["", *MIDDLEBURY_2005, "mean"], cells))
    print(f"fp16 is {worst:.4f} grey levels from fp32 in the worst mean (limit {LIMIT})")
    write_result(options.out / "precision.json", {**rows, "device": str(half.device)}, [half])
    return int(worst > LIMIT)


def compare(
    half: DepthUpsampler, full: DepthUpsampler, scenes: Sequence[RgbdScene], scale: int
) -> dict[str, list[float]]:
    """Distance before rounding, and the table's MAD of both; one value per scene, then the mean."""
    row: dict[str, list[float]] = {"fp16 - fp32": [], "MAD fp16": [], "MAD fp32": []}
    for scene in scenes:
        lr: Any = scene.lr_depth(scale).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an overflow would hide in a float32 rerun
            a, b = (upsampler(scene.rgb, lr, scale) for upsampler in (half, full))
        row["fp16 - fp32"].append(mad(a, b))
        for name, result in (("MAD fp16", a), ("MAD fp32", b)):
            row[name].append(mad(round_to(result, np.uint8), scene.depth))
    return {name: [*values, float(np.mean(values))] for name, values in row.items()}


if __name__ == "__main__":
    sys.exit(main())
