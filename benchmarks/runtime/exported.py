"""Time of exported files beside the package's calls: `python -m benchmarks.runtime.exported`.

All methods take turns in one run, with as many threads as torch has, so their ratios hold on a machine that others use
too. Each does the whole job for uint8 RGB and LR depth at one scale; the unit is the package's call with the first
weights, in float32.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from benchmarks.runtime.speed import summarise, take_turns
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.export import ExportedFile, export, load_exported, load_openvino

SCALE = 8
SIZES = ((120, 160), (240, 320), (480, 640), (864, 1152))  # up to 1 megapixel


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "exported_speed", ["default", "default-int8"])
    parser.add_argument("--rounds", type=int, default=30, help="frames that every method gets, of each size")
    options = parser.parse_args()
    upsamplers = [DepthUpsampler.from_pretrained(name, device="cpu") for name in options.weights]
    with TemporaryDirectory() as folder:
        files = load_all(upsamplers, Path(folder))
    figures = {}
    for height, width in SIZES:
        calls = make_calls(upsamplers, files, height, width)
        taken = take_turns(calls, {}, options.rounds, 0)
        reference = taken[next(iter(calls))]
        figures[f"{width} x {height}"] = {name: summarise(times, reference) for name, times in taken.items()}
    header = ["p50 in ms, and times the package's call", *figures]
    rows = [
        [name, *(f"{size[name]['p50 ms']:.1f}, {size[name]['speed']:.2f}" for size in figures.values())]
        for name in next(iter(figures.values()))
    ]
    print(text_table(header, rows))
    write_result(
        options.out / "exported_speed.json", {"threads": torch.get_num_threads(), "figures": figures}, upsamplers
    )


def load_all(upsamplers: list[DepthUpsampler], folder: Path) -> dict[str, ExportedFile]:
    """The exported files of all weights in both runtimes."""
    threads, files = torch.get_num_threads(), {}
    for upsampler in upsamplers:
        path = folder / f"{upsampler.name}.onnx"
        export(upsampler, path, "onnx", SCALE)
        files[f"{upsampler.name}, onnxruntime"] = load_exported(path, threads=threads)
        files[f"{upsampler.name}, OpenVINO"] = load_openvino(path, threads)
    return files


def make_calls(
    upsamplers: list[DepthUpsampler], files: dict[str, ExportedFile], height: int, width: int
) -> dict[str, Callable[[], object]]:
    """Every method on one random pair with a tenth of holes, the package's call with the first weights first."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    lr_depth = rng.uniform(1, 4, (height // SCALE, width // SCALE)).astype(np.float32)
    lr_depth[rng.random(lr_depth.shape) < 0.1] = 0
    inputs = {"rgb": rgb, "lr_depth": lr_depth}
    calls: dict[str, Callable[[], object]] = {}
    for upsampler in upsamplers:
        calls[f"{upsampler.name}, the package"] = partial(upsampler, rgb, lr_depth, SCALE)
    for name, file in files.items():
        calls[name] = partial(file.run, inputs)
    return calls


if __name__ == "__main__":
    main()
