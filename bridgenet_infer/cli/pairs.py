"""Find the files that belong together, and the places of their results."""

import argparse
import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ..files import by_stem
from ..read import DEPTH_SUFFIXES, RGB_SUFFIXES
from ..scans import LeftOut, Scan
from ..write import can_hold


@dataclass(frozen=True)
class Pair:
    """One RGB image, its LR depth and the files to write; `preview` and `error` are None where they were not asked for.

    `camera` is None outside of scans. For a frame of a scan, `rgb` and `depth` are places, see `scans.Frame`.
    """

    rgb: Path
    depth: Path
    output: Path
    preview: Path | None
    camera: Path | None = None
    error: Path | None = None

    @property
    def targets(self) -> list[Path]:
        """All files to be written."""
        return [self.output, *filter(None, (self.camera, self.error, self.preview))]


def find_pairs(options: argparse.Namespace, scan: Scan | None) -> tuple[list[Pair], list[LeftOut]]:
    """The pairs of a command line or its scan, in order of their names, and the files that were left out.

    Raises
    ------
    ValueError
        If two folders are one, or have no pair at all, or results would come into the scan.
    OSError
        If a folder cannot be read.
    """
    if scan is not None:
        return _frames(options, scan), list(scan.left_out)
    if not options.rgb.is_dir():
        return [_pair(options.rgb, options.depth, options.output, options)], []
    if options.rgb.samefile(options.depth):
        raise ValueError(f"RGB and DEPTH are the same folder {options.rgb}: use two folders, with equal stems")
    images, depths = by_stem(options.rgb, RGB_SUFFIXES), by_stem(options.depth, DEPTH_SUFFIXES)
    pairs, left_out = [], []
    for stem in sorted(images.keys() | depths.keys()):
        rgb, depth = images.get(stem, []), depths.get(stem, [])
        if len(rgb) == len(depth) == 1:
            suffix = f".{options.format}" if options.format else depth[0].suffix
            pairs.append(_pair(rgb[0], depth[0], options.output / (stem + suffix), options))
        else:
            reason = f"{len(rgb)} RGB and {len(depth)} depth files of this name"
            left_out.append(LeftOut([stem], reason, is_ambiguous=bool(rgb and depth)))
    if not pairs:
        raise ValueError(_why_no_pair(options, images, depths))
    return pairs, left_out


def _frames(options: argparse.Namespace, scan: Scan) -> list[Pair]:
    if options.output.resolve().is_relative_to(scan.path.resolve()):
        raise ValueError(f"-o {options.output} lies in the scan: results need a folder outside of it")
    pairs = []
    for name, frame in scan.frames.items():
        pair = _pair(frame.rgb, frame.depth, options.output / f"{name}.{options.format}", options)
        pairs.append(replace(pair, camera=frame.camera and options.output / f"{name}_camera.json"))
    return pairs


def _why_no_pair(options: argparse.Namespace, images: Collection[str], depths: Collection[str]) -> str:
    words = f"no file in {options.rgb} has a partner of the same stem in {options.depth}"
    if (options.rgb.parent / "rgb.txt").is_file():
        call = shlex.join(["bridgenet-bag", str(options.rgb.parent), "-o", str(options.output)])
        return f"{words}: the names of its files are stamps; use {call}"
    first, second = (repr(min(stems)) if stems else "none" for stems in (images, depths))
    return f"{words} (the first are {first} and {second}): rename or link the files of one folder"


def _pair(rgb: Path, depth: Path, output: Path, options: argparse.Namespace) -> Pair:
    preview = output.with_name(f"{output.stem}_preview.png") if options.preview else None
    suffix = output.suffix if can_hold(output.suffix, "float32") else ".tif"
    error = output.with_name(f"{output.stem}_expected_error{suffix}") if options.expected_error else None
    return Pair(rgb, depth, output, preview, error=error)
