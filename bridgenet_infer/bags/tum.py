"""Recordings in the layout of TUM RGB-D: rgb.txt and depth.txt list files by stamp, 16-bit PNG, 5000 = 1 m."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array

from ..cli.process import FAILURES, describe
from ..files import remove_leftovers, write_atomically
from ..read import read_depth, read_rgb
from ..ros.matching import match_stamps
from ..write import check_depth_path, write_depth


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
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FolderReport:
    """Write up-sampled depth to `target`/depth with a depth.txt, in the format, dtype and unit of the source.

    Files that are there already are kept unless `overwrite` is set: a rerun goes on where the last one ended.

    Parameters
    ----------
    slop
        Seconds that the stamps of a pair may differ.

    Raises
    ------
    ValueError
        If a list cannot be read, two results would have one name, nothing matches within `slop`, or every frame fails.
    OSError
        If something cannot be read or written.
    """
    rgb, depth = read_list(source / "rgb.txt"), read_list(source / "depth.txt")
    rgb_stamps, depth_stamps = ([round(stamp * 1e9) for stamp, _ in entries] for entries in (rgb, depth))
    matches = match_stamps(rgb_stamps, depth_stamps, slop)
    if not matches:
        raise ValueError(f"none of {len(rgb)} images and {len(depth)} depth maps are within {slop:g} s of each other")
    names = Counter(Path(depth[k][1]).name for _, k in matches)
    if twins := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"{source / 'depth.txt'} lists {names[twins[0]]} files of the name {twins[0]}")
    report = FolderReport(len(rgb), len(depth), len(matches))
    (target / "depth").mkdir(parents=True, exist_ok=True)
    remove_leftovers(target / "depth")
    lines = [f"# depth maps up-sampled from {source.name}", "# timestamp filename"]
    for done, (i, k) in enumerate(matches):
        name = Path("depth", Path(depth[k][1]).name)
        path = target / name
        try:
            if path.exists() and not overwrite:
                report.reused += 1
            else:
                colours, lr_depth = read_rgb(source / rgb[i][1]), read_depth(source / depth[k][1])
                check_depth_path(path, lr_depth.dtype)  # before the work
                write_depth(path, np.asarray(upsample(colours, lr_depth)))
            lines.append(f"{depth[k][0]:.6f} {name.as_posix()}")
        except FAILURES as error:
            report.failed.append((depth[k][1], describe(error)))
        progress(done + 1, len(matches))
    if len(report.failed) == report.pairs:
        raise ValueError(f"all {report.pairs} frames failed; the first: {report.failed[0][1]}")
    write_atomically(target / "depth.txt", ("\n".join(lines) + "\n").encode())
    return report


def read_list(path: Path) -> list[tuple[float, str]]:
    """Stamps in seconds and file names of a list; ValueError names the line that is none."""
    entries = []
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            stamp, name = float(words[0]), words[1]
        except (ValueError, IndexError):
            raise ValueError(f"{path}, line {number}: not a stamp and a file name: {line!r}") from None
        entries.append((stamp, name))
    return entries
