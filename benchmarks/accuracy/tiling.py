"""Compare tiles with one pass over the whole image: `python -m benchmarks.accuracy.tiling [--scenes val] [--scale 8]`.

Three questions: how far a tiled result is from the whole one, what it costs against the truth, and whether tile borders
show. The rows "whole image's gates" repeat a tiled run with the channel attention's statistics of the whole image:
what is left then comes from the borders, the rest from tile statistics.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.accuracy.metrics import mad
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.backends.per_scale import network_for
from bridgenet_infer.backends.run import TileRunner
from bridgenet_infer.graph import Extras
from bridgenet_infer.graph.blocks import ChannelAttention
from bridgenet_infer.pipeline.engine import upsample_frames
from bridgenet_infer.pipeline.frame import make_frames, make_results
from bridgenet_infer.pipeline.tile import Tiling, cut_axis, resolve_tiling
from bridgenet_infer.pipeline.validate import check_depth, check_rgb
from datasets.scenes import make_pair, middlebury2005, validation_scenes

CANDIDATES = ((256, 64), (512, 64), (768, 64), (768, 128))
LEAST_PIXELS = 10**6  # smaller scenes hold no row of tiles


Row = dict[str, float]
COLUMNS = {
    "tile": "sides of the tiles at most, HR pixels",
    "overlap": "of neighbours at least, HR pixels",
    "vs whole": "mean absolute difference from the whole-image result, grey levels of 0..255, not rounded",
    "same gates": "the same with the whole image's channel attention",
    "MAD": "of the 8-bit result against the truth",
    "whole MAD": "of the whole-image result",
    "seams": "gradient energy of (tiled - whole) across tile borders, relative to elsewhere",
    "visible": "gradient energy of the tiled result across tile borders, relative to the whole result's there",
    "net px/px": "pixels run for each pixel of the image",
    "us/net px": "microseconds for each pixel run",
}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "tiling", "default")
    parser.add_argument("--scenes", choices=("val", "eval"), default="val", help="val chooses, eval only reports")
    parser.add_argument("--scale", type=int, default=8)
    options = parser.parse_args()
    upsampler = DepthUpsampler.from_pretrained(options.weights)
    scenes = middlebury2005() if options.scenes == "eval" else validation_scenes()
    pairs = [make_pair(s, options.scale) for s in scenes if s.rgb.shape[0] * s.rgb.shape[1] >= LEAST_PIXELS]
    references = [measure_whole(upsampler, *pair) for pair in pairs]
    rows = []
    for tile, overlap in CANDIDATES:
        rows.append(measure(upsampler, Tiling(tile, tile, overlap), pairs, references))
        print(f"{tile}/{overlap} done", flush=True)
    print(format_rows(rows))
    print("\n".join(f"{name}: {meaning}" for name, meaning in COLUMNS.items()))
    print(f"{len(pairs)} scenes of {options.scenes}, x{options.scale}, {upsampler.name}, {upsampler.device}")
    content = {"columns": COLUMNS, "rows": rows}
    write_result(options.out / f"{options.scenes}_x{options.scale}.json", content, [upsampler])


def grey_levels(upsampler: DepthUpsampler, rgb: Array, lr: Array, tiling: Tiling) -> Array:
    """(H, W) float64 result, not rounded."""
    received = check_depth(lr.astype(np.float64))
    guide = check_rgb(rgb, 1, batched=False)
    results = make_results((guide.shape[1], guide.shape[2]), received, Extras())
    frames = make_frames(guide, received, results, True, upsampler.model.config.normalisation)
    network = network_for(upsampler.model, rgb.shape[0] / lr.shape[0])
    runner = TileRunner(network, upsampler.device, upsampler.dtype, Extras())
    with torch.inference_mode():
        upsample_frames(frames, tiling, runner)
    return results.depth[0].numpy()


@dataclass(frozen=True)
class Reference:
    """The whole-image result and the pooled statistics that its channel attention saw."""

    result: Array
    pooled: dict[nn.Module, Tensor]


def measure_whole(upsampler: DepthUpsampler, rgb: Array, lr: Array, truth: Array) -> Reference:
    """Run one image in one pass."""
    pooled: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pooled[module] = inputs[0]

    with gates_hooked(upsampler, keep):
        result = grey_levels(upsampler, rgb, lr, resolve_tiling("whole", truth.shape))
    return Reference(result, pooled)


@contextmanager
def gates_hooked(upsampler: DepthUpsampler, hook: Callable[[nn.Module, tuple[Tensor, ...]], Any]) -> Iterator[None]:
    """Call `hook` on the pooled features of each channel attention, before its gates are computed."""
    handles = [
        module.squeeze.register_forward_pre_hook(hook)
        for module in upsampler.model.modules()
        if isinstance(module, ChannelAttention)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def measure(
    upsampler: DepthUpsampler,
    tiling: Tiling,
    pairs: Sequence[tuple[Array, Array, Array]],
    references: Sequence[Reference],
) -> Row:
    """One row of the table."""
    values: list[tuple[float, ...]] = []
    seconds, run_pixels, pixels = 0.0, 0, 0
    for (rgb, lr, truth), reference in zip(pairs, references, strict=True):
        began = time.perf_counter()
        tiled = grey_levels(upsampler, rgb, lr, tiling)
        seconds += time.perf_counter() - began
        with gates_hooked(upsampler, partial(_replay, reference.pooled)):
            same_gates = grey_levels(upsampler, rgb, lr, tiling)
        whole = reference.result
        spans = [cut_axis(side, tiling.height, tiling.overlap) for side in truth.shape]
        run_pixels += math.prod(len(s) * (s[0].stop - s[0].start) for s in spans)
        pixels += truth.size
        tiled_borders, whole_borders = (border_energy(x, tiling)[0] for x in (tiled, whole))
        measured = (
            mad(tiled, whole),
            mad(same_gates, whole),
            mad(_eight_bit(tiled), truth),
            mad(_eight_bit(whole), truth),
            _ratio(*border_energy(tiled - whole, tiling)),
            _ratio(tiled_borders, whole_borders),
        )
        values.append(measured)
    means = (float(v) for v in np.mean(values, axis=0))
    row = (tiling.height, tiling.overlap, *means, run_pixels / pixels, 1e6 * seconds / run_pixels)
    return dict(zip(COLUMNS, row, strict=True))


def _replay(pooled: dict[nn.Module, Tensor], module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    return pooled[module]


def border_energy(image: Array, tiling: Tiling) -> tuple[float, float]:
    """Mean squared step between neighbours, across tile borders and elsewhere."""
    on, off = [], []
    for axis, side in enumerate(image.shape):
        steps = np.square(np.diff(image, axis=axis))
        spans = cut_axis(side, tiling.height, tiling.overlap)
        borders = sorted({edge - 1 for span in spans for edge in (span.start, span.stop) if 0 < edge < side})
        mask = np.zeros(side - 1, bool)
        mask[borders] = True
        on.append(np.compress(mask, steps, axis).ravel())
        off.append(np.compress(~mask, steps, axis).ravel())
    return _mean(on), _mean(off)


def _mean(parts: Sequence[Array]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if values.size else float("nan")


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")  # one tile has no borders


def _eight_bit(depth: Array) -> Array:
    return np.clip(np.floor(depth + 0.5), 0, 255)


def format_rows(rows: Sequence[Row]) -> str:
    """The table as text."""
    return text_table(list(COLUMNS), [[f"{value:.4g}" for value in row.values()] for row in rows])


if __name__ == "__main__":
    main()
