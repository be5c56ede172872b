"""Compare workers on Ray with one process: `python -m benchmarks.runtime.scale_out [--size 320 240] [--pairs 120]`.

Folders of pairs (the desk, shifted) by bridgenet-upsample without and with Ray, taking turns. "pairs/s": between
the files at 20 and 90 % of a run, so that starting does not count; "start": until the first result; "MB": largest
resident size of one process or worker; "CPU s": of one process (Ray's workers do not count), for each pair after the
first. Below: what of the CPU time goes into files, which is what a GPU leaves to the CPU, beside checks and resizing.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler, read_depth, read_rgb, write_depth
from examples import DESK

SCALE = 8
WARM, OVER = 0.2, 0.9
FILES = 50
COLUMNS = ("pairs/s", "start", "MB", "CPU s")


@dataclass(frozen=True)
class Way:
    """Further arguments of the command and the threads that it may use."""

    name: str
    arguments: tuple[str, ...]
    threads: int


ONE = Way("one process, 1 thread", (), 1)
WAYS = (
    ONE,
    Way("one process, 2 threads", (), 2),
    Way("Ray, 1 worker of 1 core", ("--ray", "--ray-workers", "1"), 1),
    Way("Ray, 2 workers of 1 core", ("--ray", "--ray-workers", "2"), 1),
)


def make_pairs(folder: Path, size: tuple[int, int], count: int) -> None:
    """`count` pairs of RGB (width, height) and depth of an eighth, each the desk shifted by other pixels."""
    width, height = size
    rgb = np.asarray(Image.open(DESK / "rgb.png").convert("RGB").resize(size, Image.Resampling.BICUBIC))
    depth = np.asarray(Image.open(DESK / "depth.png").resize(size, Image.Resampling.NEAREST)).astype(np.uint16)
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.roll(rgb, i * SCALE, axis=1)).save(folder / "rgb" / f"{i:05}.png")
        low = np.roll(depth, i * SCALE, axis=1)[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
        Image.fromarray(low[: height // SCALE, : width // SCALE].copy()).save(folder / "depth" / f"{i:05}.png")


def run(way: Way, pairs: Path, out: Path, weights: str) -> dict[str, float]:
    """One run over a folder of pairs: pairs a second, seconds to the first result, CPU seconds, largest MB."""
    call = [str(pairs / "rgb"), str(pairs / "depth"), "-o", str(out), "--weights", weights, "--device", "cpu", "--json"]
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "bridgenet_infer.cli", *call, *way.arguments],
        # Ray's workers would stand back behind everything else that runs
        env={**os.environ, "OMP_NUM_THREADS": str(way.threads), "RAY_worker_niceness": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    document: dict[str, Any] = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    assert document["counts"]["failed"] == 0, document["results"][0]
    times = sorted(path.stat().st_mtime for path in out.iterdir())
    first, last = (int(share * (len(times) - 1)) for share in (WARM, OVER))
    return {
        "pairs/s": (last - first) / (times[last] - times[first]) if last > first else 0.0,
        "start": times[0] - began,
        "MB": max(row.get("peak_mb", usage.ru_maxrss // 1024) for row in document["results"]),
        "CPU": usage.ru_utime + usage.ru_stime,
    }


def file_work(pairs: Path, results: Path, scratch: Path) -> dict[str, float]:
    """CPU milliseconds for reading a pair and for writing a result."""
    scratch.mkdir()
    names = [path.name for path in sorted(results.iterdir())[:FILES]]
    began = time.process_time()
    for name in names:
        read_rgb(pairs / "rgb" / name)
        read_depth(pairs / "depth" / name)
    read = time.process_time() - began
    depths = [read_depth(results / name) for name in names]
    began = time.process_time()
    for name, depth in zip(names, depths, strict=True):
        write_depth(scratch / name, depth)
    written = time.process_time() - began
    return {"read": 1000 * read / len(names), "write": 1000 * written / len(names)}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "scale_out", "default")
    parser.add_argument("--size", type=int, nargs=2, default=[320, 240], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", type=int, nargs="+", default=list(range(len(WAYS))), help="by number, from 0")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {WAYS[i].name: [] for i in options.ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pairs(folder / "one", options.size, 1)
        make_pairs(folder / "all", options.size, options.pairs)
        single = run(ONE, folder / "one", folder / "single", options.weights)
        for turn in range(options.rounds):
            for i in options.ways:
                found[WAYS[i].name].append(run(WAYS[i], folder / "all", folder / f"{turn}-{i}", options.weights))
        files = {kind: _mean_size(folder / "all" / kind) for kind in ("rgb", "depth")}
        results = folder / f"0-{options.ways[0]}"
        files["result"] = _mean_size(results)
        work = file_work(folder / "all", results, folder / "scratch")
    ways = {}
    for way, runs in found.items():
        ways[way] = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        ways[way]["CPU s"] = (ways[way].pop("CPU") - single["CPU"]) / (options.pairs - 1)
    rows = [[way, *(f"{row[key]:.2f}" for key in COLUMNS)] for way, row in ways.items()]
    print(text_table(["", *COLUMNS], rows))
    print("mean bytes of a file:", ", ".join(f"{kind} {size:,.0f}" for kind, size in files.items()))
    print(f"CPU ms: reading a pair {work['read']:.1f}, writing a result {work['write']:.1f}")
    width, height = options.size
    upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
    report = {"ways": ways, "bytes": files, "file_ms": work}
    write_result(options.out / f"{Path(options.weights).stem}_{width}x{height}.json", report, [upsampler])


def _mean_size(folder: Path) -> float:
    return statistics.mean(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    main()
