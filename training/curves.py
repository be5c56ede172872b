"""The curve of a run: one CSV row per checkpoint, and its picture."""

import csv
import io
from pathlib import Path

from bridgenet_infer.files import write_atomically

SCALES = ("x2", "x4", "x8", "x16")
COLUMNS = (
    *("step", "seconds", "loss_dsr", "loss_mde", *SCALES),
    *(f"{figure}_{scale}" for figure in ("score", "far", "unguided", "nearest") for scale in SCALES),
    "sensed_x8",
)


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add one row; columns without a value stay empty."""
    _write_rows(path, [*read_rows(path), row])


def read_rows(path: Path) -> list[dict[str, float]]:
    """All rows; empty cells are left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def keep_rows(path: Path, step: int) -> None:
    """Drop rows past `step`, written after the checkpoint that a resumed run starts from."""
    rows = [row for row in read_rows(path) if row["step"] <= step]
    if rows:
        _write_rows(path, rows)
    else:
        path.unlink(missing_ok=True)


def _write_rows(path: Path, rows: list[dict[str, float]]) -> None:
    """All of them anew: of a row that is appended to a full disk a part would stay."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)
    write_atomically(path, text.getvalue().encode())


def plot_curve(path: Path, picture: Path) -> None:
    """Training loss and validation MAD over steps, logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = read_rows(path)
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for column in COLUMNS[2:]:
        points = [(row["step"], row[column]) for row in rows if column in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=column, marker="." if "x" in column else None)
    axes.set(xlabel="step", ylabel="loss (normalised), validation MAD (grey levels)", yscale="log")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format=picture.suffix[1:], dpi=120)
    pyplot.close(figure)
    write_atomically(picture, drawn.getvalue())
