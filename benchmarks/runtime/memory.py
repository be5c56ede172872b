"""Memory and time of one call by image size: `python -m benchmarks.runtime.memory [--megapixels 1 10] [--tile 768]`.

Every size runs in a process of its own. "peak" is the largest resident size during the call, less the output array;
"before" what was resident when it began (interpreter, libraries, weights and the two inputs); "growth" is their
difference: what the call itself needed.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.pipeline.tile import cut_axis, resolve_tiling
from testing.memory import memory_bytes, resident_mb

COLUMNS = ("MP", "scale", "tile", "peak MB", "before MB", "inputs MB", "growth MB", "seconds", "net px/px", "us/net px")


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "memory", "default")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--scale", type=int, default=8)
    parser.add_argument("--tile", default="auto", help="auto, whole, or a side")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        (size,) = options.megapixels
        print(json.dumps(measure(size, options.scale, _tile(options.tile), options.weights)))
        return
    rows = [measure_apart(size, options.scale, options.tile, options.weights) for size in options.megapixels]
    print(text_table(list(COLUMNS), [[f"{row[name]:.4g}" for name in COLUMNS] for row in rows]))
    upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
    write_result(options.out / f"x{options.scale}_{options.tile}.json", {"rows": rows}, [upsampler])


def measure_apart(megapixels: float, scale: int, tile: str, weights: str) -> dict[str, Any]:
    """`measure` in a process of its own."""
    call = ["--megapixels", str(megapixels), "--scale", str(scale), "--tile", tile, "--weights", weights, "--child"]
    command = [sys.executable, "-m", "benchmarks.runtime.memory", *call]
    result: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return result


def measure(megapixels: float, scale: int, tile: int | str, weights: str) -> dict[str, Any]:
    """One call in this process; Linux only (/proc)."""
    low_height = round(math.sqrt(megapixels * 1e6 * 3 / 4) / scale)
    low_width = round(low_height * 4 / 3)
    rng = np.random.default_rng(0)
    rgb = np.empty((low_height * scale, low_width * scale, 3), np.uint8)
    rgb[:] = np.resize(rng.integers(0, 256, (997, 3), np.uint8), (rgb.shape[1], 3))
    lr_depth = (2000 + 500 * np.sin(np.arange(low_height * low_width) / 37)).astype(np.uint16)
    lr_depth[rng.random(lr_depth.size) < 0.02] = 0
    lr_depth = lr_depth.reshape(low_height, low_width)
    upsampler = DepthUpsampler.from_pretrained(weights, device="cpu")
    upsampler(rgb[: 16 * scale, : 16 * scale], lr_depth[:16, :16], scale)  # what is loaded at first use is not growth
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident_mb()
    began = time.perf_counter()
    result = upsampler(rgb, lr_depth, scale, tile=tile)
    seconds = time.perf_counter() - began
    peak = memory_bytes("VmHWM") / 1e6 - result.nbytes / 1e6
    tiling = resolve_tiling(tile, result.shape)
    spans = [
        cut_axis(side, t, tiling.overlap) for side, t in zip(result.shape, (tiling.height, tiling.width), strict=True)
    ]
    network = math.prod(len(axis) * (axis[0].stop - axis[0].start) for axis in spans)
    values = (
        result.size / 1e6,
        scale,
        max(axis[0].stop for axis in spans),
        peak,
        before,
        (rgb.nbytes + lr_depth.nbytes) / 1e6,
        peak - before,
        seconds,
        network / result.size,
        1e6 * seconds / network,
    )
    return {**dict(zip(COLUMNS, values, strict=True)), "torch": torch.__version__, "threads": torch.get_num_threads()}


def _tile(text: str) -> int | str:
    return int(text) if text.isdigit() else text


if __name__ == "__main__":
    main()
