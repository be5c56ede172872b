"""Tables of time, memory and counts of frames, as functions of the runs' results."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.tables.markdown import code, short, table
from benchmarks.tables.results import Result
from benchmarks.tables.runs import DEFAULT, INT8, OPENVINO

NETWORKS = {DEFAULT: "`default`", OPENVINO: "`default` in OpenVINO, float32", INT8: "`default-int8`"}
YES = {True: "yes", False: "no"}


def at_size(rows: list[dict[str, Any]], megapixels: float) -> dict[str, Any]:
    """The row of a size; sides are multiples of the scale, so it is not met exactly."""
    return min(rows, key=lambda row: abs(row["MP"] - megapixels))


def speed(result: Result) -> str:
    """Ratios of one run, and seconds for large images."""
    latency, growth = result["latency"], result["growth"]

    def ratio(name: str) -> str:
        return f"{latency[name]['speed']:.2f}"

    rows = [["plain graph with D_DE, PyTorch's default order", ratio("full graph with D_DE, NCHW eager"), "", "", ""]]
    for name, label in NETWORKS.items():
        large = [f"{at_size(growth[name], size)['seconds']:.{digits}f}" for size, digits in ((10, 1), (100, 0))]
        rows.append([label, ratio(f"network, {name}"), ratio(f"call, {name}"), *large])
    rows.append(["joint bilateral filter", ratio("joint bilateral filter"), "", "", ""])
    return table(["", "network", "whole call", "10 megapixels, s", "100, s"], rows)


LATENCY = {
    "full graph with D_DE, NCHW eager": "network with D_DE, PyTorch's default order",
    "D_SR alone, NCHW eager": "the same without D_DE",
    "channels_last eager": "the same in the order channels_last",
    "the same, head in the last conv": "the same with the head in the last convolution",
    f"network, {DEFAULT}": "the same with sums in place, which is the network of `default`",
    f"call, {DEFAULT}": "whole call, `default`",
    f"network, {OPENVINO}": "network of `default` in OpenVINO, float32",
    f"call, {OPENVINO}": "whole call, the same",
    f"network, {INT8}": "network of `default-int8`",
    f"call, {INT8}": "whole call, `default-int8`",
}


def latency(result: Result) -> str:
    """Milliseconds of networks and calls, and their speed."""
    full = result["latency"]["full graph with D_DE, NCHW eager"]["speed"]
    rows = []
    for name, label in LATENCY.items():
        row = result["latency"][name]
        rows.append([label, f"{row['p50 ms']:,.0f}", f"{row['p99 ms']:,.0f}", f"{row['speed'] / full:.2f}"])
    return table(["", "p50, ms", "p99, ms", "speed, the first row being 1"], rows)


def cold_start(result: Result) -> str:
    """Seconds from a new interpreter to the first result."""
    rows = [[label, f"{min(result['cold start'][name]):.1f}"] for name, label in NETWORKS.items()]
    return table(["", "s, best of three"], rows)


def limits(result: Result) -> str:
    """The limits of the machine, and the shares that convolutions reach."""
    bounds, convolutions = result["limits"], result["convolutions"]
    ideal = convolutions["flop"] / bounds["GFLOP/s"] / 1e9

    def share(name: str) -> str:
        kinds = result[f"profile {name}"]
        ours = sum(ms for kind, ms in kinds.items() if kind.startswith("Convolution"))
        return f"{100 * ours / sum(kinds.values()):.0f} %"

    return table(
        ["", ""],
        [
            ["matrix product", f"{bounds['GFLOP/s']:.0f} GFLOP/s"],
            ["copy of memory", f"{bounds['GB/s']:.0f} GB/s"],
            ["convolutions of the network", f"{convolutions['count']}"],
            ["their share of the time in PyTorch",
             f"{100 * convolutions['seconds'] / convolutions['whole network']:.0f} %"],
            ["their rate, as a share of the matrix product's", f"{100 * ideal / convolutions['seconds']:.0f} %"],
            ["their time at the matrix product's rate", f"{1000 * ideal:.0f} ms"],
            ["their share of the time in OpenVINO, float32", share(OPENVINO)],
            ["their share of the time of `default-int8`", share(INT8)],
        ],
    )  # fmt: skip


GRAPHS = {"default_x8": "one network of `default`", "sensor": "`sensor`", "x8": "`x8`", "base": "the paper's wiring"}


def operations(result: Result) -> str:
    """Parameters and operations of the networks."""
    rows = [
        [label, f"{figures['parameters']:,}", f"{figures['D_SR GFLOP']:.1f}", f"{figures['full GFLOP']:.1f}"]
        for name, label in GRAPHS.items()
        for figures in [result["configs"][name]]
    ]
    return table(["", "parameters", "GFLOP, D_SR alone", "GFLOP, with D_DE"], rows)


def growth(result: Result) -> str:
    """Time against size."""
    sizes = [row["MP"] for row in result["growth"][DEFAULT]]
    rows = []
    for name, label in NETWORKS.items():
        cells = [f"{row['seconds']:.3g} ({short(row['us/net px'])})" for row in result["growth"][name]]
        rows.append([label, short(result["exponents"][name]), *cells])
    return table(
        [
            "s (us per network pixel)",
            "grows as pixels to the",
            *(f"{size:.1g} MP" if size < 1 else f"{size:.0f} MP" for size in sizes),
        ],
        rows,
    )


def memory(*results: Result) -> str:
    """Resident sizes around one call, of `default` and `default-int8`."""
    rows = []
    for result in results:
        (weights,) = result["sha256"]
        for row in result["rows"]:
            cells = [f"{row[key]:,.0f}" for key in ("peak MB", "before MB", "inputs MB", "growth MB")]
            rows.append([f"{code(weights)}, {row['MP']:.0f} MP", *cells, f"{row['net px/px']:.2f}"])
    return table(["MB", "peak", "before", "of it inputs", "growth during the call", "network px per px"], rows)


def ros_live(*results: Result) -> str:
    """The live ROS 1 node's counts and latencies."""
    return _live(results, {})


def ros2_live(*results: Result) -> str:
    """The live ROS 2 node's."""
    losses = tuple(f"{kind} lost (as the middleware reports)" for kind in ("rgb", "depth"))
    return _live(results, {"lost, as the middleware reports: rgb / depth": losses})


def _live(results: Sequence[Result], further: Mapping[str, Sequence[str]]) -> str:
    """A column for each result; `further` counts are shown in rows of their own."""
    columns = [result["figures"] for result in results]
    fates = ("sent", "received", "dropped (as the node reports)", "unaccounted for")
    counts = {"sent / received / dropped / unaccounted for": fates, **further}
    rows = [
        *([title, *(" / ".join(str(f[key]) for key in keys) for f in columns)] for title, keys in counts.items()),
        ["latency p50 / p99", *(f"{f['latency p50 (ms)']:.0f} / {f['latency p99 (ms)']:.0f} ms" for f in columns)],
        ["of p50: waiting for the frame before",
         *("{waiting for the frame before, p50:.0f} ms".format(**f) for f in columns)],
        ["messages in; out", *("{messages in, p50:.1f}; {messages out, p50:.1f} ms".format(**f) for f in columns)],
        ["call beside the network; network",
         *("{call beside the network, p50:.1f}; {network, p50:.0f} ms".format(**f) for f in columns)],
        ["outside the network, waiting aside", *(f"{f['outside the network (% of all)']:.1f} %" for f in columns)],
    ]  # fmt: skip
    names = [code(next(iter(result["sha256"]))) for result in results]
    modes = [f", {result['reliability'].replace('_', ' ')}" if "reliability" in result else "" for result in results]
    return table(["", *(name + mode for name, mode in zip(names, modes, strict=True))], rows)


def bags(result: Result) -> str:
    """The findings of other readers in the bags."""
    kinds = list(result["kinds"].values())
    facts = {
        "bytes and bag times of what was there equal": "copies equal",
        "stamps of the up-sampled depth equal to the LR depth's": "depth stamps equal",
        "stamps of its camera_info, too": "camera_info stamps equal",
        "camera_info's fields equal to the RGB camera's": "camera_info fields equal",
    }
    topics = list(kinds[0]["messages"])
    rows = [[code(topic), *("{} / {}".format(*kind["messages"][topic]) for kind in kinds)] for topic in topics]
    rows += [[label, *(YES[kind[fact]] for kind in kinds)] for label, fact in facts.items()]
    rows.append(["MB in / out", *(f"{k['bytes in'] / 1e6:.1f} / {k['bytes out'] / 1e6:.1f}" for k in kinds)])
    return table(["messages in / out", "ROS 1 .bag", "ROS 2 sqlite3", "ROS 2 mcap"], rows)


RIGS = {
    "640 x 480 structured light to 640 x 480, 25 mm, exact": "structured light, x{}, exact",
    "the same, noisy": "structured light, x{}, noisy",
    "512 x 424 time of flight to 960 x 540, 52 mm, noisy": "time of flight, x{}, noisy",
    "224 x 172 to 640 x 480, 75 mm, noisy": "coarse, wide apart, x{}, noisy",
}
REGISTRATION = {"bias mm": 1, "mean mm": 2, "through %": 2, "fattened %": 2, "holes %": 1}


def registration(result: Result) -> str:
    """`register_depth` and the two simpler rules, at x4 / x8."""
    rows = []
    for label, title in RIGS.items():
        by_scale = [result["figures"][title.format(scale)] for scale in (4, 8)]
        for method in by_scale[0]:
            figures = [" / ".join(f"{each[method][key]:.{digits}f}" for each in by_scale)
                       for key, digits in REGISTRATION.items()]  # fmt: skip
            rows.append([label if method == "register_depth" else method, *figures])
    header = ["", "bias, mm", "mean error off edges, mm", "through, %", "fattened, %", "holes in view, %"]
    return table(header, rows)


def soak(result: Result) -> str:
    """Counts and resident sizes of long runs."""
    runs = list(result["runs"].values())
    return table(
        ["", *result["runs"]],
        [
            ["submitted", *(f"{run['submitted']:,}" for run in runs)],
            ["finished and published, in order",
             *(f"{r['finished']:,}" if r["in_order"] and r["published"] == r["finished"] else "not so" for r in runs)],
            ["dropped / failed / unaccounted for",
             *(f"{run['dropped']:,} / {run['failed']:,} / {run['unaccounted']:,}" for run in runs)],
            ["resident after the warm-up, in the middle, at the end, MB",
             *(f"{run['start_mb']:.1f}, {run['middle_mb']:.1f}, {run['end_mb']:.1f}" for run in runs)],
        ],
    )  # fmt: skip


def overhead(result: Result) -> str:
    """Frames a second over those of direct calls."""
    ways = {"direct calls": "direct", "`DepthStream`, fed blocking": "DepthStream",
            "`DepthNode`, messages in and out": "DepthNode"}  # fmt: skip

    def cell(network: str, way: str) -> str:
        row = result[network][way]
        return f"{row['frames/s over direct']:.2f}, {row['median of rounds']:.2f}"

    rows = [[label, cell(DEFAULT, way), cell("nearest neighbour", way),
             f"{result['nearest neighbour'][way]['ms, fastest']:.2f}"] for label, way in ways.items()]  # fmt: skip
    return table(
        ["", "`default`", "nearest neighbour in the network's place", "of it per frame, ms (fastest round)"], rows
    )


def overhead_added(result: Result) -> str:
    """Milliseconds that a stream and a node add to a frame."""
    direct, *others = (row["ms, fastest"] for row in result["nearest neighbour"].values())
    rows = [[name, f"{ms - direct:.2f}"] for name, ms in zip(("`DepthStream`", "`DepthNode`"), others, strict=True)]
    return table(["", "added to a frame, ms"], rows)


def steps(result: Result) -> str:
    """Milliseconds of every step around the network, and of a whole call."""
    first = next(iter(result["figures"].values()))[DEFAULT]
    names = [name for name in first if name != "network"]
    rows = [
        [
            f"{size}, {code(weights)}",
            *(f"{figures[name]:.2f}" for name in names),
            *(f"{figures['network'] + more:.0f}" for more in (0, figures["outside"])),
        ]
        for size, by_weights in result["figures"].items()
        for weights, figures in by_weights.items()
    ]
    return table(["ms, LR depth of", *names, "network", "whole call"], rows)


def scale_out(result: Result) -> str:
    """Ray's workers against one process."""
    one = next(iter(result["ways"].values()))
    rows = []
    for way, row in result["ways"].items():
        gain = f" ({row['pairs/s'] / one['pairs/s']:.2f} x)" if row is not one else ""
        rows.append([way, f"{row['pairs/s']:.2f}{gain}", f"{row['start']:.0f} s", f"{row['MB']:.0f}"])
    return table(["", "pairs a second", "first result after", "largest resident size, MB"], rows)


def pair_cost(*results: Result) -> str:
    """CPU seconds and memory of one pair in one process."""
    rows = []
    for result, size in zip(results, ("320 x 240", "640 x 480", "640 x 480"), strict=True):
        row, files = next(iter(result["ways"].values())), result["file_ms"]
        seconds = [short(row["CPU s"]), short(files["read"] / 1000, 3), short(files["write"] / 1000, 3)]
        rows.append([f"{code(next(iter(result['sha256'])))}, {size}", *seconds, f"{row['MB']:.0f}"])
    return table(["", "CPU s", "of it reading", "writing", "MB"], rows)


def storage(*results: Result) -> str:
    """Bytes of one pair, and of all frames of the plan."""
    sizes = {"RGB, PNG": results[0]["bytes"]["rgb"], "LR depth, PNG": results[0]["bytes"]["depth"]}
    sizes |= {f"result of {code(next(iter(r['sha256'])))}, PNG": r["bytes"]["result"] for r in results}
    rows = [[label, f"{size / 1e3:.0f}", f"{FRAMES * size / 1e12:.2f}"] for label, size in sizes.items()]
    return table(["", "kB a pair", f"TB for {FRAMES:,} pairs"], rows)


FRAMES = 10_000_000  # of the plan in docs/scale_out.md
NODE = 32  # cores


def efficiency(scale_out: Result) -> float:
    """Share of a process's work that each of two workers on Ray gets done."""
    one, two = (way["pairs/s"] for way in scale_out["ways"].values())
    return float(two / one / 2)


def pair_seconds(result: Result) -> float:
    """CPU seconds of one pair in one process, its files included."""
    return float(next(iter(result["ways"].values()))["CPU s"])


def plan(scale_out: Result, *results: Result) -> str:
    """Cores for ten million frames."""
    rows = []
    for result in results:
        hours = FRAMES * pair_seconds(result) / efficiency(scale_out) / 3600
        cells = [f"{hours:,.0f}", f"{hours / 24:.0f}", f"{math.ceil(hours / 24 / NODE)}", f"{hours:,.0f}"]
        rows.append([code(next(iter(result["sha256"]))), *cells])
    return table(["", "core-hours", "cores for 24 h", f"nodes of {NODE} cores", "cores for 1 h"], rows)


OPERATIONS = 20  # on files, of one pair: counted in the source


def rates(scale_out: Result, int8: Result) -> str:
    """The needs per second of a run of a day and of one of an hour, with `default-int8`."""
    hours = (24, 1)
    pairs = [FRAMES / 3600 / each for each in hours]
    read, written = int8["bytes"]["rgb"] + int8["bytes"]["depth"], int8["bytes"]["result"]
    seconds = pair_seconds(int8) / efficiency(scale_out)
    rows = [
        ["pairs a second", *(f"{rate:,.0f}" for rate in pairs)],
        ["cores at work", *(f"{rate * seconds:,.0f}" for rate in pairs)],
        ["MB read a second", *(f"{rate * read / 1e6:,.0f}" for rate in pairs)],
        ["MB written a second", *(f"{rate * written / 1e6:,.0f}" for rate in pairs)],
        ["file operations a second", *(f"{rate * OPERATIONS:,.0f}" for rate in pairs)],
    ]
    return table(["`default-int8`", *(f"in {each} h" for each in hours)], rows)
