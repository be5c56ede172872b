"""The description of a layout, and what layouts of folders share."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..files import by_stem
from .frames import Parts, Scan


@dataclass(frozen=True)
class Layout:
    """How an app stores its scans.

    Attributes
    ----------
    content
        The parts, in words.
    looks_like
        Whether a path holds a mark of it, complete or not.
    open
        A scan of a path and the least confidence.
    """

    app: str
    content: str
    looks_like: Callable[[Path], bool]
    open: Callable[[Path, int], Scan]


def require(path: Path, app: str, names: list[str], min_confidence: int, confidence: str) -> None:
    """Whether all parts are there, with confidence if it is needed; ValueError if not."""
    missing = [f"{name}/" if not Path(name).suffix else name for name in names if not (path / name).exists()]
    if min_confidence and not (path / confidence).is_dir():
        missing.append(f"{confidence}/ (--min-confidence 0 does without it)")
    if missing:
        raise ValueError(f"{path} looks like a scan of {app}, but lacks {', '.join(missing)}")


def files_by_name(folder: Path, suffixes: tuple[str, ...], name: Callable[[str], str] = str) -> Parts:
    """Files of a folder by the name of their frame, made of their stem."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for stem, paths in by_stem(folder, suffixes).items():
        found[name(stem)] += paths
    return found
