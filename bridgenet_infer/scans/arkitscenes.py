"""Scenes of ARKitScenes (github.com/apple/ARKitScenes, DATA.md): images and depth named by their time.

`lowres_wide` is as small as the depth. Guides are `wide`, `color` (its name in the upsampling set) or `vga_wide`.
"""

from collections.abc import Mapping
from pathlib import Path

from ..files import read_regular
from ..read import RGB_SUFFIXES
from .camera import Camera, pinhole
from .frames import LeftOut, Parts, Scan, pair_up
from .layout import Layout, files_by_name, require

APP = "ARKitScenes"
DEPTH = "lowres_depth"
GUIDES = ("wide", "color", "vga_wide")
CAMERAS = "_intrinsics"


def looks_like(path: Path) -> bool:
    """Whether there is a folder of that name for depth."""
    return (path / DEPTH).is_dir()


def open_scan(path: Path, min_confidence: int) -> Scan:
    """Open a scene; see `detect.open_scan`."""
    guide = next((name for name in GUIDES if (path / name).is_dir()), None)
    if guide is None:
        raise ValueError(
            f"{path} looks like a scan of {APP}, but has none of {', '.join(GUIDES)}: "
            "lowres_wide is as small as the depth and cannot guide it"
        )
    require(path, APP, [], min_confidence, "confidence")
    depth = files_by_name(path / DEPTH, (".png",))
    parts = {"image": at_times_of(depth, files_by_name(path / guide, RGB_SUFFIXES)), "depth": depth}
    if min_confidence:
        parts["confidence"] = at_times_of(depth, files_by_name(path / "confidence", (".png",)))
    folders = (path / f"{name}{CAMERAS}" for name in (guide, "lowres_wide"))
    cameras = next((folder for folder in folders if folder.is_dir()), None)
    if cameras:
        parts["camera"] = at_times_of(depth, files_by_name(cameras, (".pincam",)))
    frames, left_out = pair_up(path, parts)
    if not cameras:
        left_out.append(LeftOut(["cameras"], f"{guide}{CAMERAS}/ is not there"))
    return Scan(path, frames, left_out, min_confidence, read_camera)


def at_times_of(depth: Mapping[str, object], parts: Parts) -> Parts:
    """The same parts under the names of depth: stamps of one moment may differ by a millisecond."""
    found: dict[str, list[Path]] = {}
    for name, paths in parts.items():
        if name not in depth:
            name = next((near for near in _neighbours(name) if near in depth), name)
        found.setdefault(name, []).extend(paths)
    return found


def _neighbours(name: str) -> list[str]:
    """Names a millisecond before and after `video_seconds`; none if it is no such name."""
    video, _, stamp = name.rpartition("_")
    try:
        seconds = float(stamp)
    except ValueError:
        return []
    return [f"{video}_{seconds + step:.3f}" for step in (-0.001, 0.001)]


def read_camera(path: Path) -> Camera:
    """One line: width, height, fx, fy, cx, cy."""
    words = read_regular(path, 2**16).decode().split()
    if len(words) != 6:
        raise ValueError(f"six numbers make a camera, got {len(words)}")
    width, height, *numbers = words
    return pinhole(numbers, [float(height), float(width)])


LAYOUT = Layout(
    APP, "lowres_depth/, confidence/, and wide/, color/ or vga_wide/ with its _intrinsics/", looks_like, open_scan
)
