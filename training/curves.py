"""The curve of a run: one CSV row per checkpoint, and its picture."""

from __future__ import annotations

import csv
import os
from pathlib import Path

COLUMNS = ("step", "seconds", "loss_dsr", "loss_mde", "x2", "x4", "x8", "x16", "sensed_x8")


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add one row; columns without a value stay empty."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" for k, v in row.items()})


def read_rows(path: Path) -> list[dict[str, float]]:
    """All rows; empty cells are left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def keep_rows(path: Path, step: int) -> None:
    """Drop rows past `step`, written after the checkpoint that a resumed run starts from."""
    rows = [row for row in read_rows(path) if row["step"] <= step]
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    for row in rows:
        append_row(partial, row)
    if rows:
        os.replace(partial, path)
    else:
        path.unlink(missing_ok=True)


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
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
