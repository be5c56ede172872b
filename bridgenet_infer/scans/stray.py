"""Scans of Stray Scanner (docs.strayrobots.io/apps/scanner/format.html): a video, and depth by frame number."""

from dataclasses import replace
from pathlib import Path

from ..files import read_regular
from ..read import RGB_SUFFIXES
from .camera import Camera, pinhole
from .frames import Scan, pair_up
from .layout import Layout, files_by_name, require
from .video import Video

APP = "Stray Scanner"
MATRIX = "camera_matrix.csv"
MARKS = (MATRIX, "odometry.csv", "rgb.mp4")
ARRAYS = (".png", ".npy")


def looks_like(path: Path) -> bool:
    """Whether a file of the app's own names is there."""
    return any((path / name).is_file() for name in MARKS)


def open_scan(path: Path, min_confidence: int) -> Scan:
    """Open a scan; see `detect.open_scan`."""
    movie, images = path / "rgb.mp4", path / "rgb"
    if movie.is_file() and images.is_dir():
        raise ValueError(f"{path} has both rgb.mp4 and rgb/: keep the one that belongs to the depth")
    guide = "rgb" if images.is_dir() else "rgb.mp4"
    require(path, APP, [guide, "depth", MATRIX], min_confidence, "confidence")
    video = None if images.is_dir() else Video(movie)
    parts = {
        "image": video.places() if video else files_by_name(images, RGB_SUFFIXES, six_digits),
        "depth": files_by_name(path / "depth", ARRAYS, six_digits),
    }
    if min_confidence:
        parts["confidence"] = files_by_name(path / "confidence", ARRAYS, six_digits)
    frames, left_out = pair_up(path, parts, path / MATRIX)
    scan = Scan(path, frames, left_out, min_confidence, read_matrix)
    return replace(scan, read_rgb=video.read) if video else scan


def six_digits(stem: str) -> str:
    """Frames are numbered from 000000."""
    return stem.zfill(6)


def read_matrix(path: Path) -> Camera:
    """The (3, 3) matrix of the video's camera, as a table of commas."""
    rows = [row.split(",") for row in read_regular(path, 2**16).decode("utf-8-sig").split("\n") if row.strip()]
    if [len(row) for row in rows] != [3, 3, 3]:
        raise ValueError(f"no matrix of 3 x 3, but rows of {[len(row) for row in rows][:9]}")
    return pinhole([rows[0][0], rows[1][1], rows[0][2], rows[1][2]])


LAYOUT = Layout(APP, "depth/, confidence/, camera_matrix.csv, and rgb.mp4 or rgb/", looks_like, open_scan)
