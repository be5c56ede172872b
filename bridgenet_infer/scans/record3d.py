"""Recordings of Record3D: .r3d, a zip of `metadata` and, for each frame, a JPEG and depth under LZFSE."""

import math
import re
import zipfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array

from ..read import decode_rgb
from .camera import Camera, parse_object, pinhole
from .frames import Scan, check_levels, naming, pair_up
from .layout import Layout

APP = "Record3D"
META = "metadata"
MEMBER = re.compile(r"rgbd/(\d{1,9})\.(jpg|depth|conf)")
KINDS = {"jpg": "image", "depth": "depth", "conf": "confidence"}
MOST_META, MOST_IMAGE = 2**24, 2**26  # bytes: an hour at 60 Hz, and far more than a photo
MOST_SAMPLES = 640 * 480  # of the front camera; the LiDAR has 256 x 192
BLOCK = 2**15  # bytes that a block of LZFSE holds at least, but for the last


def looks_like(path: Path) -> bool:
    """Whether it is a file: all other scans are folders."""
    return path.is_file()


def open_scan(path: Path, min_confidence: int) -> Scan:
    """Open a recording; see `detect.open_scan`."""
    if find_spec("lzfse") is None:
        raise ImportError(f"{path}: LZFSE, its compression of depth, needs pip install 'bridgenet-infer[record3d]'")
    recording = Recording(path)
    parts = recording.parts()
    if not min_confidence:
        parts.pop("confidence", None)
    elif "confidence" not in parts:
        raise ValueError(f"{path} is a recording without confidence: --min-confidence 0 does without it")
    frames, left_out = pair_up(path, parts, path / META)
    return Scan(
        path, frames, left_out, min_confidence, recording.read_camera, recording.read_rgb, recording.read_depth,
        recording.read_levels, per_metre=1.0,
    )  # fmt: skip


class Recording:
    """A .r3d file; nothing of it is ever unpacked to a disk.

    Raises
    ------
    OSError
        If it is no zip.
    ValueError
        If its metadata have no sizes that can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
        except Exception as error:  # damage makes zipfile raise nearly anything
            raise OSError(f"{path}: cannot be read as a zip: {error}") from error
        with naming(path / META):
            self.meta = parse_object(self.member(path / META, MOST_META))
            sizes = [self.meta.get(name) for name in ("dh", "dw", "h", "w")]
            if not all(isinstance(side, int) and 0 < side < 2**16 for side in sizes):
                raise ValueError(f"dh, dw, h and w must be sizes in pixels, got {str(sizes)[:80]}")
            self.depth_shape, self.rgb_shape = np.array(sizes).reshape(2, 2).tolist()
            self.samples = math.prod(self.depth_shape)
            if self.samples > MOST_SAMPLES:
                raise ValueError(f"depth of {self.depth_shape} has more than {MOST_SAMPLES} samples")

    def parts(self) -> dict[str, dict[str, list[Path]]]:
        """Places of all parts by kind and frame, cameras too where each frame has its own."""
        found: defaultdict[str, defaultdict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for name in self.archive.namelist():
            if match := MEMBER.fullmatch(name):
                found[KINDS[match[2]]][match[1].zfill(6)].append(self.path / name)
        for number in range(len(self._own_cameras())):
            found["camera"][f"{number:06}"].append(self.path / META / str(number))
        return {"image": {}, "depth": {}, **found}

    def member(self, place: Path, most: int) -> bytes:
        """The content of a member of at most so many bytes; OSError if it is larger or damaged."""
        name = place.relative_to(self.path).as_posix()
        try:
            with self.archive.open(name) as file:
                content = file.read(most + 1)
        except Exception as error:  # as above
            raise OSError(f"{place}: cannot be read from the zip: {error}") from error
        if len(content) > most:
            raise OSError(f"{place}: holds more than {most} bytes")
        return content

    def read_rgb(self, place: Path) -> Array:
        """(H, W, 3) uint8; see `read.read_rgb`."""
        return decode_rgb(place, self.member(place, MOST_IMAGE))

    def read_depth(self, place: Path) -> Array:
        """(h, w) float32 metres."""
        return self._unpack(place, np.dtype("<f4"))

    def read_levels(self, place: Path) -> Array:
        """(h, w) uint8, 0 to 2."""
        return check_levels(place, self._unpack(place, np.dtype("u1")))

    def read_camera(self, place: Path) -> Camera:
        """The frame's own camera, or that of all."""
        if place.name == META:  # by columns
            numbers: Any = self.meta.get("K")
            order = (0, 4, 6, 7)
        else:
            numbers, order = self._own_cameras()[int(place.name)], (0, 1, 2, 3)
        if not isinstance(numbers, list) or len(numbers) <= order[-1]:
            raise ValueError(f"no numbers of a camera: {str(numbers)[:80]}")
        return pinhole([numbers[i] for i in order], self.rgb_shape)

    def _own_cameras(self) -> list[Any]:
        cameras = self.meta.get("perFrameIntrinsicCoeffs")
        return cameras if isinstance(cameras, list) else []

    def _unpack(self, place: Path, dtype: np.dtype[Any]) -> Array:
        """An array under LZFSE. A block of some bytes may become 24 MB, so they are counted before."""
        import lzfse

        size = self.samples * dtype.itemsize
        packed = self.member(place, size + 2**12)
        blocks = packed.count(b"bvx")
        if not packed.startswith(b"bvx") or blocks > size // BLOCK + 2:
            raise OSError(f"{place}: is no LZFSE of {size} bytes")
        try:
            raw = lzfse.decompress(packed)
        except (lzfse.error, MemoryError) as error:
            raise OSError(f"{place}: cannot be decompressed: {error}") from error
        if len(raw) != size:
            raise OSError(f"{place}: {len(raw)} bytes do not make {self.depth_shape} of {dtype}")
        return np.frombuffer(raw, dtype).reshape(self.depth_shape)


LAYOUT = Layout(APP, "a .r3d file", looks_like, open_scan)
