"""Raw exports of Polycam (github.com/PolyCam/polyform): keyframes named by their time.

`corrected_images` were undistorted after the scan. Depth was not, and lies on `images`.
"""

from pathlib import Path

import numpy as np

from bridgenet_infer.arrays import Array

from ..files import read_regular
from ..read import RGB_SUFFIXES, read_depth
from .camera import Camera, parse_object, pinhole
from .frames import Scan, pair_up
from .layout import Layout, files_by_name, require

APP = "Polycam"
ROOT = "keyframes"
NEEDED = [f"{ROOT}/{name}" for name in ("images", "depth", "cameras")]
CONFIDENCE = f"{ROOT}/confidence"
CLEAN = ".Clean"  # the end of the stem of a second version of depth


def looks_like(path: Path) -> bool:
    """Whether there is a folder of keyframes."""
    return (path / ROOT).is_dir()


def open_scan(path: Path, min_confidence: int) -> Scan:
    """Open a raw export; see `detect.open_scan`."""
    require(path, APP, NEEDED, min_confidence, CONFIDENCE)
    images, depth, cameras = (path / name for name in NEEDED)
    parts = {
        "image": files_by_name(images, RGB_SUFFIXES),
        "depth": files_by_name(depth, (".png",)),
        "camera": files_by_name(cameras, (".json",)),
    }
    if min_confidence:
        parts["confidence"] = files_by_name(path / CONFIDENCE, (".png",))
    parts = {kind: {name: all_ for name, all_ in found.items() if not name.endswith(CLEAN)}
             for kind, found in parts.items()}  # fmt: skip
    return Scan(path, *pair_up(path, parts), min_confidence, read_camera, read_levels=read_grey_levels)


def read_grey_levels(path: Path) -> Array:
    """Levels 0, 1 and 2 of a grey image: 0 is low, 255 is high, and what lies between is medium (127, or 54)."""
    grey = read_depth(path)
    if grey.dtype != np.uint8:
        raise ValueError(f"{path}: confidence must be uint8, got {grey.dtype}")
    levels: Array = (grey > 0).astype(np.uint8) + (grey == 255)
    return levels


def read_camera(path: Path) -> Camera:
    """The camera of an image."""
    fields = parse_object(read_regular(path, 2**20))
    numbers, size = ([fields.get(name) for name in names] for names in (("fx", "fy", "cx", "cy"), ("height", "width")))
    return pinhole(numbers, size)


LAYOUT = Layout(APP, "keyframes/ with images/, depth/, cameras/ and confidence/", looks_like, open_scan)
