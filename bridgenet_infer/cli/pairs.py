"""Find the files that belong together, and the places of their results."""

import argparse
import shlex
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..read import DEPTH_SUFFIXES, RGB_SUFFIXES


@dataclass(frozen=True)
class Pair:
    """One RGB image, its LR depth and the files to write; `preview` is None where none was asked for."""

    rgb: Path
    depth: Path
    output: Path
    preview: Path | None

    @property
    def targets(self) -> list[Path]:
        """All files to be written."""
        return [self.output, *([self.preview] if self.preview else [])]


@dataclass(frozen=True)
class LeftOut:
    """A stem that makes no pair, and how many files of each kind have it."""

    stem: str
    rgb: int
    depth: int

    @property
    def is_ambiguous(self) -> bool:
        """Whether there are partners, but too many."""
        return self.rgb > 0 and self.depth > 0

    def __str__(self) -> str:
        return f"{self.stem}: {self.rgb} RGB and {self.depth} depth files of this name"


def find_pairs(options: argparse.Namespace) -> tuple[list[Pair], list[LeftOut]]:
    """The pairs of a command line, in order of their names, and the files that were left out.

    Raises
    ------
    ValueError
        If two folders are one, or have no pair at all.
    OSError
        If a folder cannot be read.
    """
    if not options.rgb.is_dir():
        return [_pair(options.rgb, options.depth, options.output, options)], []
    if options.rgb.samefile(options.depth):
        raise ValueError(f"RGB and DEPTH are the same folder {options.rgb}: use two folders, with equal stems")
    images, depths = _by_stem(options.rgb, RGB_SUFFIXES), _by_stem(options.depth, DEPTH_SUFFIXES)
    pairs, left_out = [], []
    for stem in sorted(images.keys() | depths.keys()):
        rgb, depth = images.get(stem, []), depths.get(stem, [])
        if len(rgb) == len(depth) == 1:
            suffix = f".{options.format}" if options.format else depth[0].suffix
            pairs.append(_pair(rgb[0], depth[0], options.output / (stem + suffix), options))
        else:
            left_out.append(LeftOut(stem, len(rgb), len(depth)))
    if not pairs:
        raise ValueError(_why_no_pair(options, images, depths))
    return pairs, left_out


def _why_no_pair(options: argparse.Namespace, images: Collection[str], depths: Collection[str]) -> str:
    words = f"no file in {options.rgb} has a partner of the same stem in {options.depth}"
    if (options.rgb.parent / "rgb.txt").is_file():
        call = shlex.join(["bridgenet-bag", str(options.rgb.parent), "-o", str(options.output)])
        return f"{words}: the names of its files are stamps; use {call}"
    first, second = (repr(min(stems)) if stems else "none" for stems in (images, depths))
    return f"{words} (the first are {first} and {second}): rename or link the files of one folder"


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> defaultdict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir():
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file():
            found[path.stem].append(path)
    return found


def _pair(rgb: Path, depth: Path, output: Path, options: argparse.Namespace) -> Pair:
    preview = output.with_name(f"{output.stem}_preview.png") if options.preview else None
    return Pair(rgb, depth, output, preview)
