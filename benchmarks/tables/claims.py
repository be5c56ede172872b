"""Figures in running text: parts of sentences as they must stand in a document, whatever their numbers were before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from benchmarks.accuracy.published import PUBLISHED
from benchmarks.tables.accuracy import DEFAULT_TILE, OWN, SCALES, means, scores
from benchmarks.tables.cost import FRAMES, at_size, efficiency, pair_seconds
from benchmarks.tables.markdown import short, slashed
from benchmarks.tables.results import ROOT, load
from benchmarks.tables.runs import DEFAULT, INT8, OPENVINO, SENSOR, SENSORS, SINGLE

DEFAULT_PARTS = ("default_x4", "default_x8", "default_x16")  # configs of the networks in one file


def readme() -> Iterator[str]:
    """Of README.md."""
    yield from _speed()
    yield from _accuracy()
    yield from _metric()
    yield from _sizes()


def _speed() -> Iterator[str]:
    speed, quality = load("speed"), load("quality")
    ours, int8 = means(quality, DEFAULT), means(quality, INT8)
    faster = speed["latency"][f"network, {INT8}"]["speed"] / speed["latency"][f"network, {DEFAULT}"]["speed"]
    worse = slashed((100 * (b / a - 1) for a, b in zip(ours, int8, strict=True)), 1)
    reached = " / ".join(short(value, 3) for value in int8)
    yield (f"run by OpenVINO: {faster:.1f} times as fast, {worse} % less accurate on "
           f"[Middlebury 2005](#how-good-it-is) at x4 / x8 / x16 ({reached})")  # fmt: skip
    cold = {name: min(seconds) for name, seconds in speed["cold start"].items()}
    yield f"first result: {cold[DEFAULT]:.1f} s, most of it PyTorch's import (`default-int8` {cold[INT8]:.1f} s)"
    large = [at_size(load("memory-default")["rows"], size)["growth MB"] / 1000 for size in (10, 100)]
    seconds = at_size(speed["growth"][DEFAULT], 100)["seconds"]
    yield f"{short(large[0])} GB at 10 megapixels, {short(large[1])} GB at 100 ({seconds:.0f} s on two cores)"


def _accuracy() -> Iterator[str]:
    quality, cost = load("quality"), load("cost")["configs"]
    paper = next(row for row in PUBLISHED if "paper" in row.method).means
    ratios = "{:.2f}, {:.2f} and {:.2f}".format(
        *(v / paper[s] for s, v in zip(SCALES, means(quality, OWN), strict=True))
    )
    yield f"for one scale are {ratios} times the paper's."
    flop = {name: cost[name]["D_SR GFLOP"] for name in ("default_x8", "base")}
    yield (f"A network of `default` takes {flop['default_x8']:.1f} GFLOP per 256 x 256 pixels "
           f"(`python -m benchmarks.runtime.cost`), the paper's wiring at 64 channels {flop['base']:.1f}.")  # fmt: skip
    sensor, ours = (" / ".join(short(value, 3) for value in means(quality, name)) for name in (SENSOR, DEFAULT))
    yield f"`sensor` gives {sensor} on the table above (`default` {ours})"
    margins = [
        plain - ours
        for result in map(load, SENSORS)
        for by_scale in zip(scores(result, SENSOR), scores(result, "bicubic"), strict=True)
        for ours, plain in list(zip(*by_scale, strict=True))[:-1]
    ]
    yield f"`sensor` beats bicubic in {sum(m > 0 for m in margins)} of {len(margins)} cases (a scene at a scale)"


def _metric() -> Iterator[str]:
    figures = load("examples")["figures"]
    desk, plain, street, plain_street = (
        figures[name][method] for name in ("desk", "street") for method in (DEFAULT, "bicubic")
    )
    yield f"desk {desk['error mm']:.1f} mm (bicubic {plain['error mm']:.1f}),"
    yield f"street {street['error mm']:.0f} mm (bicubic {plain_street['error mm']:.0f})"
    yield f"to {desk['deviation %']:.2f} % of the range on average (bicubic: {plain['deviation %']:.2f} %),"
    yield f"{desk['worst %']:.1f} % at worst ({plain['worst %']:.1f} %), without bias ({desk['bias %']:.2f} %)"


def _sizes() -> Iterator[str]:
    entries = json.loads((ROOT / "weights_manifest.json").read_text())["checkpoints"]
    megabytes = {entry["name"]: f"{entry['size'] / 1e6:.1f}" for entry in entries}
    yield f"LR depth of any kernel | {megabytes[DEFAULT]} MB |"
    yield f"[much faster](#on-a-plain-cpu) | {megabytes[INT8]} MB |"
    yield f"fat edges](#depth-of-real-sensors) | {megabytes[SENSOR]} MB |"
    yield f"answered with a warning | {' / '.join(megabytes[name] for name in SINGLE)} MB |"


def measurements() -> Iterator[str]:
    """Of benchmarks/README.md."""
    yield from _tiles()
    yield from _speed_further()
    gaps = {name: figures["register_depth"]["gaps %"] for name, figures in load("registration")["figures"].items()
            if "noisy" in name}  # fmt: skip
    coarse = gaps.pop("coarse, wide apart, x4, noisy")
    yield f"losses, {min(gaps.values()):.1f} to {max(gaps.values()):.1f} % become holes (coarse"
    yield f"hardly one sample: {coarse:.1f} %)"
    direct, stream, node = (row["ms, fastest"] for row in load("overhead")["nearest neighbour"].values())
    yield f"a stream adds {short(stream - direct)} ms to a frame, the node {short(node - direct)} ms"


def _tiles() -> Iterator[str]:
    rows = load("tiling")["rows"]
    default = next(row for row in rows if (row["tile"], row["overlap"]) == DEFAULT_TILE)
    yield f"moves the result by about {short(default['vs whole'] - default['same gates'], 3)} grey levels at 768 / 64"
    yield f"default, 768 / 64, changes the MAD by {100 * (default['MAD'] / default['whole MAD'] - 1):.1f} %"


def _speed_further() -> Iterator[str]:
    speed = load("speed")
    latency, convolutions, limits = speed["latency"], speed["convolutions"], speed["limits"]
    eager, calls = latency["channels_last eager"], [latency[f"call, {name}"]["p50 ms"] for name in (DEFAULT, INT8)]
    yield f"was {eager['p50 ms']:.0f} ms (p99 {eager['p99 ms']:,.0f}), of a whole call"
    yield f"a whole call {calls[0]:.0f} ms with `default` and {calls[1]:.0f} ms with `default-int8`."
    full = latency["full graph with D_DE, NCHW eager"]["speed"]
    steps = "D_SR alone, NCHW eager", "channels_last eager", "the same, head in the last conv", f"network, {DEFAULT}"
    alone, plain, head, ours = (latency[name]["speed"] / full for name in steps)
    yield f"D_DE left out {alone:.2f} (not one bit of D_SR differs), channels_last {plain:.2f},"
    yield f"head in one conv {head:.2f}, sums in place {ours:.2f} (both"
    yield f"{limits['GFLOP/s']:.0f} GFLOP/s (matrix product) and {limits['GB/s']:.0f} GB/s (copy)"
    share = 100 * convolutions["seconds"] / convolutions["whole network"]
    ideal = convolutions["flop"] / limits["GFLOP/s"] / 1e9
    yield (f"The {convolutions['count']} convolutions take {share:.0f} % of the time in PyTorch, at "
           f"{100 * ideal / convolutions['seconds']:.0f} % of the matrix product's rate")  # fmt: skip
    yield f"matrix product's rate would take {1000 * ideal:.0f} ms in float32"
    shares = []
    for name in (OPENVINO, INT8):
        kinds = speed[f"profile {name}"]
        shares.append(
            100 * sum(ms for kind, ms in kinds.items() if kind.startswith("Convolution")) / sum(kinds.values())
        )
    yield f"transposed ones too, are {shares[0]:.0f} % of `default`'s time, {shares[1]:.0f} % of `default-int8`'s"


def many_frames() -> Iterator[str]:
    """Of docs/scale_out.md."""
    small, ours, int8 = (load(f"scale_out{name}") for name in ("", "-default", "-default-int8"))
    share, seconds = efficiency(small), [pair_seconds(result) for result in (ours, int8)]
    yield (f"included: {short(seconds[0])} s for `default`, {short(seconds[1])} s for `default-int8`; "
           "e as well, at 320 x 240:")  # fmt: skip
    yield f"320 x 240: {short(share)} (two workers did {2 * share:.2f} times the"
    writing = [short(result["file_ms"]["write"] / 1000) for result in (ours, int8)]
    yield f"f is **measured**: {short(ours['file_ms']['read'] / 1000)} s for reading a pair and"
    yield f"a pair and {min(writing)} to {max(writing)} s for writing a result"
    one, worker = (way["MB"] for way in small["ways"].values())
    alone = next(iter(ours["ways"].values()))["MB"]
    yield (f"a worker's largest resident size was {worker:.0f} MB at 320 x 240, and one process needed {alone:.0f} MB "
           f"at 640 x 480 ({one:.0f} MB at 320 x 240)")  # fmt: skip
    rgb, depth = (ours["bytes"][kind] for kind in ("rgb", "depth"))
    written = sorted(result["bytes"]["result"] for result in (ours, int8))
    kilobytes, terabytes = ([f"{size / unit:.{n}f}" for size in written] for unit, n in ((1e3, 0), (1e12 / FRAMES, 1)))
    yield f"{rgb / 1e3:.0f} kB for RGB as PNG, {depth / 1e3:.0f} kB for depth, {' to '.join(kilobytes)} kB for a result"
    yield f"{FRAMES * (rgb + depth) / 1e12:.1f} TB to read, {' to '.join(terabytes)} TB to write; in 24 hours"
    each = seconds[1] / share
    yield f"c / e = {short(each)} s a pair | {FRAMES * each / 86400:.0f} | {FRAMES * each / 3600:.0f} |"
    start = list(small["ways"].values())[1]["start"]
    yield f"{start:.0f} s until the first result | 100 folders: {100 * start / 60:.0f} minutes"


CLAIMS: dict[str, Callable[[], Iterator[str]]] = {
    "README.md": readme,
    "benchmarks/README.md": measurements,
    "docs/scale_out.md": many_frames,
}
