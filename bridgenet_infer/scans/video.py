"""Frames of a video by their number, decoded one by one in the stored order of pixels."""

import os
from pathlib import Path
from threading import Lock

import cv2

from bridgenet_infer.arrays import Array

MOST_PIXELS = 2**26  # twice 8K


class Video:
    """An MP4 file.

    Parameters
    ----------
    path
        Its container must be MP4: a playlist would make FFmpeg open other files.

    Raises
    ------
    OSError
        If it is no video that FFmpeg decodes, or fewer frames can be decoded than it says: the others could not be
        numbered then.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if file.read(8)[4:] != b"ftyp":
                raise OSError(f"{path}: is no MP4 video")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # asked for at the first video: errors are said here
        self._path, self._lock = path, Lock()
        self.count = self._count()
        self._capture, self._next = self._open(), 0

    def places(self) -> dict[str, list[Path]]:
        """The places of all frames by their six-digit number."""
        return {f"{i:06}": [self._path / f"{i:06}"] for i in range(self.count)}

    def read(self, place: Path) -> Array:
        """The frame at one of `places`: (H, W, 3) uint8 RGB, which no tag has turned. In order it is quickest.

        Raises
        ------
        OSError
            If it cannot be decoded.
        """
        index = int(place.name)
        with self._lock:
            if index < self._next:
                self._capture, self._next = self._open(), 0
            while self._next < index and self._capture.grab():  # seeking would be exact in some files only
                self._next += 1
            decoded, image = self._capture.read() if self._next == index else (False, None)
            self._next += 1
        if not decoded or image is None:
            raise OSError(f"{place}: cannot be decoded")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise OSError(f"{self._path}: cannot be opened as a video")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # a turned image would not lie on its depth
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if not 0 < width * height <= MOST_PIXELS:
            raise OSError(f"{self._path}: frames of {width:.0f} x {height:.0f} are more than {MOST_PIXELS} pixels")
        return capture

    def _count(self) -> int:
        """Frames that can be decoded: where one was skipped, each later one would come under its number."""
        capture, count = self._open(), 0
        said = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        while capture.grab():
            count += 1
        if count < said:
            raise OSError(f"{self._path}: {count} of its {said:.0f} frames can be decoded, so none has a sure number")
        return count
