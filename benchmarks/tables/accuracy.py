"""Tables of accuracy, as functions of the runs' results, in the order of `documents.TABLES`."""

from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.published import PUBLISHED
from benchmarks.tables.markdown import code, short, slashed, table
from benchmarks.tables.results import Result
from benchmarks.tables.runs import SINGLE

SCALES = (4, 8, 16)
SCENES = ("Art", "Books", "Dolls", "Laundry", "Moebius", "Reindeer")
OWN = "own"  # the checkpoint for the scale, as if it were one
OWN_NAMES = "`x4` / `x8` / `x16`"
PUBLISHED_NAMES = {"BridgeNet (paper)": "BridgeNet (the paper's own figures)"}
KERNELS = {
    "Pillow bicubic": "Pillow bicubic (antialiased)",
    "area": "area (block means)",
    "OpenCV bicubic": "OpenCV bicubic (not antialiased)",
    "nearest": "nearest",
}
SENSORS = ("structured light", "time of flight", "active stereo", "shrunk frame")
CLOSEST = {2: 4, 3: 4, 5: 4, 6: 8, 12: 16}  # to an intermediate scale, by ratio
BASELINES = ("nearest", "bicubic", "joint bilateral")
SENSED = {
    "nearest": "nearest",
    "bicubic": "bicubic",
    "joint bilateral": "joint bilateral",
    "`default`": "default",
    OWN_NAMES: OWN,
    "**`sensor`**": "sensor",
}
DEFAULT_TILE = (768, 64)
TILING_COLUMNS = {
    "from whole": ("vs whole", 4),
    "same gates": ("same gates", 4),
    "MAD (whole: {})": ("MAD", 4),
    "seams": ("seams", 2),
    "visible": ("visible", 3),
    "network px per px": ("net px/px", 2),
}


def weights_for(method: str, scale: int) -> str:
    """The key of a method's figures at one scale."""
    return f"x{scale}" if method == OWN else method


def scores(quality: Result, method: str, measure: str = "MAD") -> list[list[float]]:
    """For each scale the six scenes and their mean."""
    return [quality[f"x{scale}"]["scores"][weights_for(method, scale)][measure] for scale in SCALES]


def means(quality: Result, method: str, measure: str = "MAD") -> list[float]:
    """For each scale."""
    return [values[-1] for values in scores(quality, method, measure)]


def _scene_row(label: str, by_scale: Sequence[Sequence[float]]) -> list[str]:
    *scenes, mean = zip(*by_scale, strict=True)
    return [label, *(slashed(values, 2) for values in scenes), slashed(mean, 3)]


def middlebury(quality: Result, ensemble: Result) -> str:
    """The published table, ours in it."""
    rows = [_scene_row(method, scores(quality, method)) for method in ("bicubic", "joint bilateral")]
    rows.append(_scene_row("**ours, `default`**", scores(quality, "default")))
    rows.append(_scene_row("ours, `default-int8`", scores(quality, "default-int8")))
    rows.append(_scene_row(f"**ours, {OWN_NAMES}**", scores(quality, OWN)))
    rows.append(_scene_row("the same, mean over eight flips and transpositions", scores(ensemble, OWN)))
    for published in PUBLISHED:
        by_scale = [published.scenes[scale] for scale in SCALES]
        cells = [""] * len(SCENES)
        if None not in by_scale:
            cells = [slashed(values, 2) for values in zip(*filter(None, by_scale), strict=True)]
        name = PUBLISHED_NAMES.get(published.method, f"{published.method} (published)")
        rows.append([name, *cells, slashed((published.means[scale] for scale in SCALES), 3)])
    return table(["x4 / x8 / x16", *SCENES, "mean"], rows)


def middlebury_further(quality: Result, measure: str) -> str:
    """Another measure of the same results."""
    methods = {"bicubic": "bicubic", "joint bilateral": "joint bilateral", "`default`": "default", OWN_NAMES: OWN}
    rows = [_scene_row(label, scores(quality, method, measure)) for label, method in methods.items()]
    return table(["x4 / x8 / x16", *SCENES, "mean"], rows)


def middlebury_rmse(quality: Result) -> str:
    """Root mean square errors."""
    return middlebury_further(quality, "RMSE")


def middlebury_edges(quality: Result) -> str:
    """Errors at depth edges."""
    return middlebury_further(quality, "edge-band MAD")


def kernels(result: Result) -> str:
    """Mean ratio to bicubic, worst scene in brackets."""

    def cell(kernel: str, scale: int, method: str) -> str:
        row = result["figures"][kernel][f"x{scale}"][weights_for(method, scale)]
        return f"{short(row['mean ratio'])} ({short(row['worst ratio'])})"

    rows = [
        [label, " / ".join(cell(kernel, scale, "default") for scale in SCALES), *(cell(kernel, s, OWN) for s in SCALES)]
        for kernel, label in KERNELS.items()
    ]
    return table(["LR made by", "`default` x4 / x8 / x16", *map(code, SINGLE)], rows)


def intermediate(result: Result) -> str:
    """Scales that the checkpoints for one scale are not for."""
    by_scale = {scale: result["figures"]["Pillow bicubic"][f"x{scale}"] for scale in CLOSEST}

    def cells(method: str) -> list[str]:
        rows = [figures[weights_for(method, CLOSEST[scale])] for scale, figures in by_scale.items()]
        return [f"{short(row['ours'], 3)} ({short(row['worst ratio'])})" for row in rows]

    return table(
        ["scale", *map(str, CLOSEST)],
        [
            ["bicubic", *(short(figures["default"]["bicubic"], 3) for figures in by_scale.values())],
            ["`default` (worst scene against bicubic)", *cells("default")],
            ["nearest of `x4`, `x8`, `x16` (worst scene)", *cells(OWN)],
        ],
    )


def _sensed(results: Sequence[Result], measure: str, methods: Sequence[str]) -> str:
    rows = [[label, *(slashed(means(each, SENSED[label], measure), 2) for each in results)] for label in methods]
    return table(["", *SENSORS], rows)


def sensed(*results: Result) -> str:
    """Mean absolute differences on the frames of each simulated sensor."""
    return _sensed(results, "MAD", list(SENSED))


def sensed_rmse(*results: Result) -> str:
    """Root mean square errors of the same."""
    return _sensed(results, "RMSE", list(SENSED))


def sensed_bias(*results: Result) -> str:
    """Mean signed errors of the same."""
    return _sensed(results, "bias", ["bicubic", "joint bilateral", "`default`", "**`sensor`**"])


def guide_shift(result: Result) -> str:
    """Errors by how far off the guide is."""
    shown = [result["shifts"].index(pixels) for pixels in (0, 1, 2, 4, 8)]
    methods = {"bicubic": "bicubic", "`default`": "default", "`sensor`": "sensor"}
    rows = [[label, *(short(result["MAD"][key][i], 3) for i in shown)] for label, key in methods.items()]
    return table(["guide off by", *(f"{result['shifts'][i]:g} px" for i in shown)], rows)


def flicker(result: Result) -> str:
    """Standard deviations over time, on surfaces and at edges."""
    by_sensor = list(result["figures"].values())
    methods = {"bicubic": "bicubic", "`default`": "default", "**`sensor`**": "sensor"}
    rows = [[label, *("{:.1f} / {:.0f}".format(*each[key]) for each in by_sensor)] for label, key in methods.items()]
    return table(["mm, surfaces / edges", *SENSORS, "still, a far object enters"], rows)


WIDE_RANGE = ("5 times", "20 times", "100 times", "sky")  # of benchmarks.accuracy.wide_range


def wide_range(result: Result) -> str:
    """Errors elsewhere with far depth over those without, x4 / x8 / x16."""
    figures = [result["figures"][f"x{scale}"] for scale in SCALES]
    methods = {"`default`": "default", "`default-int8`": "default-int8", OWN_NAMES: OWN, "`sensor`": "sensor"}

    def cells(method: str, keys: Sequence[str], digits: int) -> list[str]:
        rows = [each[weights_for(method, scale)] for scale, each in zip(SCALES, figures, strict=True)]
        return [slashed((row[key] for row in rows), digits) for key in keys]

    ratios = [f"ratio, {case}" for case in WIDE_RANGE]
    rows = [[label, *cells(method, ["alone"], 3), *cells(method, ratios, 2)] for label, method in methods.items()]
    rows.insert(0, ["bicubic", *cells("bicubic", ["alone"], 3), *cells("bicubic", ratios, 2)])
    return table(["x4 / x8 / x16", "MAD alone", *(f"{case}: ratio" for case in WIDE_RANGE)], rows)


def wide_edges(result: Result) -> str:
    """Median relative errors on near sides in per cent, x4 / x8 / x16."""
    figures = [result["figures"][f"x{scale}"] for scale in SCALES]
    methods = ("nearest", "bicubic", "default", OWN)

    def cell(streets: str, kernel: str, method: str) -> str:
        return slashed(
            (each[streets][kernel][weights_for(method, scale)] for scale, each in zip(SCALES, figures, strict=True)), 1
        )

    rows = [
        [f"{streets}, {kernel}", *(cell(streets, kernel, method) for method in methods)]
        for streets, by_kernel in figures[0].items()
        for kernel in by_kernel
    ]
    return table(["%, x4 / x8 / x16", "nearest", "bicubic", "`default`", OWN_NAMES], rows)


def frames(result: Result) -> str:
    """Raw sensor frames: RMSE, and where it is lower than bicubic's."""

    def cell(scale: int, method: str) -> str:
        rmse = [frame["rmse"] for frame in result[f"x{scale}"].values()]
        mean = f"{np.mean([row[weights_for(method, scale)] for row in rmse]):.1f}"
        if method in BASELINES:
            return mean
        return f"{mean} ({sum(row[weights_for(method, scale)] < row['bicubic'] for row in rmse)} of {len(rmse)})"

    rows = [[f"x{scale}", *(cell(scale, m) for m in (*BASELINES, "default", OWN, "sensor"))] for scale in SCALES]
    return table(["", *BASELINES, "`default`", "checkpoint for the scale", "`sensor`"], rows)


def rendered(result: Result) -> str:
    """Rendered scenes: mean RMSE in millimetres."""

    def cell(scale: int, method: str) -> str:
        return f"{np.mean([f['rmse'][weights_for(method, scale)] for f in result[f'x{scale}'].values()]):,.0f}"

    rows = [
        [f"x{scale}", *(cell(scale, m) for m in ("bicubic", "joint bilateral", "default", OWN))] for scale in SCALES
    ]
    return table(["", "bicubic", "joint bilateral", "`default`", "checkpoint for the scale"], rows)


def examples(result: Result) -> str:
    """Errors on the examples, and how far the shrunk result is from the LR input."""
    columns = {"error mm": 1, "deviation %": 2, "worst %": 1, "bias %": 2}
    rows = [
        [f"{name}, {label}", *(f"{round(by_method[method][key], n) + 0.0:.{n}f}" for key, n in columns.items())]
        for name, by_method in result["figures"].items()
        for method, label in {"bicubic": "bicubic", "default": "`default`"}.items()
    ]
    return table(["", "error, mm", "mean deviation, %", "worst deviation, %", "bias, %"], rows)


def tiling(result: Result) -> str:
    """Tiles against one pass."""
    rows = []
    for row in result["rows"]:
        name = f"{row['tile']} / {row['overlap']}"
        figures = [short(row[key], digits) for key, digits in TILING_COLUMNS.values()]
        rows.append([f"**{name}**" if (row["tile"], row["overlap"]) == DEFAULT_TILE else name, *figures])
    whole = short(result["rows"][0]["whole MAD"], 4)
    return table(["tile / overlap", *(column.format(whole) for column in TILING_COLUMNS)], rows)


def precision(result: Result) -> str:
    """Half against single precision."""
    by_scale = [result[f"x{scale}"] for scale in SCALES]
    distance = [row["fp16 - fp32"] for row in by_scale]
    pairs = [[short(row[f"MAD fp{bits}"][-1], 4) for bits in (16, 32)] for row in by_scale]
    return table(
        ["", *(f"x{scale}" for scale in SCALES)],
        [
            ["fp16 - fp32", *(f"{short(v[-1], 4)} ({short(max(v[:-1]), 4)})" for v in distance)],
            ["MAD fp16 / fp32", *(" / ".join(pair) for pair in pairs)],
        ],
    )


def alignment(result: Result) -> str:
    """Shifts found and warned of by scale, false alarms of all scales, and the frames of a Kinect."""
    rows = []
    for group in ("val", "rendered", "eval"):
        by_scale = result[group]
        moved = [by_scale[f"x{scale}"] for scale in (2, *SCALES)]
        alarms, pairs = (sum(int(each[name]) for each in by_scale.values()) for name in ("false alarms", "pairs"))
        shares = (slashed((each[name] for each in moved), 2) for name in ("found", "warned", "turned"))
        rows.append([group, *shares, f"{alarms} of {pairs}"])
    for name, frames in result["kinect"].items():
        rows.append([f"Kinect, {name}", "", f"{sum(frame['is_strong'] for frame in frames)} of {len(frames)}", "", ""])
    header = ["x2 / x4 / x8 / x16", "shifts found", "shifts warned of", "turns warned of", "false alarms"]
    return table(header, rows)
