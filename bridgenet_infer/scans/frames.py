"""What all scans have in common: frames of paired parts, and how a frame is read."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridgenet_infer.arrays import Array

from ..read import read_depth, read_rgb
from .camera import Camera

KINDS = ("image", "depth", "confidence", "camera")
LISTED = 8  # names that are told one by one
Parts = Mapping[str, Sequence[Path]]  # by the name of the frame


@dataclass(frozen=True)
class Frame:
    """The places of a frame's parts; one that lies inside a file has its path and its name there: scan.r3d/rgbd/0.jpg.

    `confidence` is None where it was not asked for, `camera` where the scan has none.
    """

    rgb: Path
    depth: Path
    confidence: Path | None
    camera: Path | None


@dataclass(frozen=True)
class LeftOut:
    """Names that make no frame or pair, and why; `is_ambiguous` where there are partners, but too many."""

    names: Sequence[str]
    reason: str
    is_ambiguous: bool = False

    def __str__(self) -> str:
        names = self.names
        if len(names) > LISTED:
            names = [*names[:3], f"... {names[-1]} ({len(names)} frames)"]
        return f"{', '.join(names)}: {self.reason}"


def read_levels(path: Path) -> Array:
    """Confidence (h, w) in ARKit's levels 0, 1 and 2, from a file that holds these; OSError or ValueError if not."""
    return check_levels(path, read_depth(path))


def check_levels(path: Path, levels: Array) -> Array:
    """Whether all are 0, 1 or 2; ValueError if not."""
    if levels.dtype.kind not in "ui" or (levels.size and not 0 <= levels.min() <= levels.max() <= 2):
        largest = levels.max() if levels.size else "nothing"
        raise ValueError(f"{path}: confidence must be 0, 1 or 2, got {levels.dtype} up to {largest}")
    return levels


@dataclass(frozen=True)
class Scan:
    """One scan: its frames by name, in order, and the readers of their parts.

    Attributes
    ----------
    per_metre
        Steps of its depth per metre.
    min_confidence
        Level below which depth is a hole: 0 (none), 1 or 2.
    """

    path: Path
    frames: Mapping[str, Frame]
    left_out: Sequence[LeftOut]
    min_confidence: int
    read_camera: Callable[[Path], Camera]
    read_rgb: Callable[[Path], Array] = read_rgb
    read_depth: Callable[[Path], Array] = read_depth
    read_levels: Callable[[Path], Array] = read_levels
    per_metre: float = 1000.0

    def read(self, name: str) -> tuple[Array, Array]:
        """RGB (H, W, 3) and LR depth (h, w) of a frame, as they are stored, with holes (0) at low confidence.

        Raises
        ------
        OSError, ValueError
            If a part cannot be read, or is not of its kind.
        """
        frame = self.frames[name]
        rgb, depth = self.read_rgb(frame.rgb), self.read_depth(frame.depth)
        if self.per_metre == 1000 and depth.dtype.kind not in "ui":
            raise ValueError(f"{frame.depth}: depth of a scan must be whole millimetres, got {depth.dtype}")
        if frame.confidence is not None:
            levels = self.read_levels(frame.confidence)
            if levels.shape != depth.shape:
                raise ValueError(f"{frame.confidence}: has {levels.shape}, and its depth has {depth.shape}")
            depth = np.where(levels >= self.min_confidence, depth, depth.dtype.type(0))
        return rgb, depth

    def camera(self, name: str, size: tuple[int, int]) -> Camera:
        """The camera of a frame for an image (H, W).

        Raises
        ------
        OSError, ValueError
            If it cannot be read, or does not fit the image.
        """
        place = self.frames[name].camera
        assert place is not None, f"{name} has no camera"
        with naming(place):
            return self.read_camera(place).fitted(size)


@contextmanager
def naming(place: Path) -> Iterator[None]:
    """A ValueError names the place."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def pair_up(
    path: Path, parts: Mapping[str, Parts], shared_camera: Path | None = None
) -> tuple[dict[str, Frame], list[LeftOut]]:
    """Make frames of the parts that have one name.

    Parameters
    ----------
    parts
        By kind (`KINDS`): each frame needs one of each.
    shared_camera
        Of all frames.

    Returns
    -------
    Frames by name, in order, and the names that lack a part or have two.

    Raises
    ------
    ValueError
        If there is no complete frame.
    """
    frames: dict[str, Frame] = {}
    left: defaultdict[str, list[str]] = defaultdict(list)
    several: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted({name for places in parts.values() for name in places}):
        found = {kind: places.get(name, ()) for kind, places in parts.items()}
        if missing := [kind for kind in KINDS if kind in found and not found[kind]]:
            left[", ".join(f"no {kind}" for kind in missing)].append(name)
        elif double := [kind for kind in KINDS if len(found.get(kind, ())) > 1]:
            several[f"several files for its {' and its '.join(double)}"].append(name)
        else:
            rgb, depth, confidence, camera = (next(iter(found.get(kind, ())), None) for kind in KINDS)
            assert rgb is not None
            assert depth is not None
            frames[name] = Frame(rgb, depth, confidence, camera or shared_camera)
    left_out = [LeftOut(names, reason) for reason, names in left.items()]
    left_out += [LeftOut(names, reason, is_ambiguous=True) for reason, names in several.items()]
    if not frames:
        why = "; ".join(map(str, left_out)) or "it has none at all"
        raise ValueError(f"{path}: no frame of this scan is complete: {why}")
    return frames, left_out
