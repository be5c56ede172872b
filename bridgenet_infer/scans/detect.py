"""Find out which app recorded a scan: by what lies in its folder or file, once."""

from pathlib import Path

from . import arkitscenes, polycam, record3d, stray
from .frames import Scan

LAYOUTS = (stray.LAYOUT, polycam.LAYOUT, arkitscenes.LAYOUT, record3d.LAYOUT)


def open_scan(path: Path, min_confidence: int) -> Scan:
    """Open a scan of Stray Scanner, Polycam, ARKitScenes or Record3D.

    Parameters
    ----------
    min_confidence
        0, 1 or 2: depth of a lower level becomes a hole. With 0, confidence is not read at all.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it looks like no scan or like two, or lacks a part.
    ImportError
        If Record3D's compression needs a package that is not installed.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    found = [layout for layout in LAYOUTS if layout.looks_like(path)]
    if len(found) > 1:
        marks = "; ".join(f"{layout.app}: {layout.content}" for layout in found)
        raise ValueError(f"{path} looks like scans of {len(found)} apps ({marks}): move one of them elsewhere")
    if not found:
        known = "; ".join(f"{layout.app}: {layout.content}" for layout in LAYOUTS)
        raise ValueError(f"{path} is no scan ({known}); images and depth of another kind are given as RGB and DEPTH")
    return found[0].open(path, min_confidence)
