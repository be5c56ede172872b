"""The table of weights on the front page: their size, speed and accuracy."""

import json

from benchmarks.tables.markdown import short, table
from benchmarks.tables.results import ROOT, Result

ROWS = {  # what is said of one checkpoint, or of several
    ("sensor",): "raw frames of a depth camera, scales 2 to 16",
    ("default",): "depth that a program has shrunk, scales 2 to 16",
    ("default-int8",): "the same on a CPU with OpenVINO, in 8 bits",
    ("x4", "x8", "x16"): "averaged depth, one scale each",
}
SIZE = "80 x 60"  # of LR depth for 640 x 480 at x8


def weights(quality: Result, noisy: Result, steps: Result) -> str:
    """Size of the file, time of a call at 640 x 480, and errors at x8; figures that nobody has measured stay away."""
    entries = json.loads((ROOT / "weights_manifest.json").read_text())["checkpoints"]
    megabytes = {entry["name"]: f"{entry['size'] / 1e6:.1f}" for entry in entries}
    times = steps["figures"][SIZE]

    def errors(names: tuple[str, ...]) -> list[str]:
        """On clean and on noisy depth, of the one name that has scores at x8."""
        return [
            "".join(short(scores[name]["MAD"][-1], 3) for name in names if name in scores)
            for scores in (result["x8"]["scores"] for result in (quality, noisy))
        ]

    rows = []
    for names, use in ROWS.items():
        cells = ["not measured", ""]
        for name in names:
            if name in times:
                milliseconds = times[name]["network"] + times[name]["outside"]
                cells = [f"{milliseconds:.0f}", f"{1000 / milliseconds:.1f}"]
        sizes = " / ".join(dict.fromkeys(megabytes[name] for name in names))
        rows.append([", ".join(f"`{name}`" for name in names), use, sizes, *cells, *errors(names)])
    rows.append(["bicubic interpolation", "comparison", "", "", "", *errors(("bicubic",))])
    return table(["weights", "for", "MB", "ms a frame", "frames a second", "MAD, clean", "MAD, noisy"], rows)
