"""Recordings in the layout of TUM RGB-D: rgb.txt and depth.txt list files by stamp, 16-bit PNG, 5000 = 1 m."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import remove_leftovers, write_atomically
from ..read import read_depth, read_rgb
from ..ros.matching import match_stamps
from ..write import write_depth

Array = npt.NDArray[Any]


@dataclass
class FolderReport:
    """Counts of files, and per failed frame its file and the reason."""

    rgb: int
    depth: int
    pairs: int
    reused: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def is_tum_folder(folder: Path) -> bool:
    """Whether a folder has both lists."""
    return (folder / "rgb.txt").is_file() and (folder / "depth.txt").is_file()


def upsample_tum(
    source: Path,
    target: Path,
    upsample: Callable[[Array, Array], Any],
    *,
    slop: float = 0.02,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FolderReport:
    """Write up-sampled depth to `target`/depth with a depth.txt, in the dtype and unit of the source.

    Files that are there already are kept: a rerun goes on where the last one ended.

    Parameters
    ----------
    slop
        Seconds that the stamps of a pair may differ.

    Raises
    ------
    ValueError
        If a list cannot be read, nothing matches within `slop`, or every frame fails.
    OSError
        If something cannot be read or written.
    """
    rgb, depth = read_list(source / "rgb.txt"), read_list(source / "depth.txt")
    rgb_stamps, depth_stamps = ([round(stamp * 1e9) for stamp, _ in entries] for entries in (rgb, depth))
    matches = match_stamps(rgb_stamps, depth_stamps, slop)
    if not matches:
        raise ValueError(f"none of {len(rgb)} images and {len(depth)} depth maps are within {slop:g} s of each other")
    report = FolderReport(len(rgb), len(depth), len(matches))
    (target / "depth").mkdir(parents=True, exist_ok=True)
    remove_leftovers(target / "depth")
    lines = [f"# depth maps up-sampled from {source.name}", "# timestamp filename"]
    for done, (i, k) in enumerate(matches):
        name = Path("depth", Path(depth[k][1]).stem + ".png")
        path = target / name
        try:
            if path.exists():
                report.reused += 1
            else:
                result = upsample(read_rgb(source / rgb[i][1]), read_depth(source / depth[k][1]))
                write_depth(path, np.asarray(result))
            lines.append(f"{depth[k][0]:.6f} {name.as_posix()}")
        except (OSError, ValueError) as error:
            report.failed.append((depth[k][1], str(error)))
        progress(done + 1, len(matches))
    if len(report.failed) == report.pairs:
        raise ValueError(f"all {report.pairs} frames failed; the first: {report.failed[0][1]}")
    write_atomically(target / "depth.txt", ("\n".join(lines) + "\n").encode())
    return report


def read_list(path: Path) -> list[tuple[float, str]]:
    """Stamps in seconds and file names of a list; ValueError names the line that is none."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            stamp, name = float(words[0]), words[1]
        except (ValueError, IndexError):
            raise ValueError(f"{path}, line {number}: not a stamp and a file name: {line!r}") from None
        entries.append((stamp, name))
    return entries
