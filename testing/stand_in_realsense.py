"""A stand-in for pyrealsense2 without a camera: the part of its API that the loop uses, with frames of the desk.

It shows that a loop hands frames, units and calibration on as it should. It says nothing about a real camera.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.read import read_depth, read_rgb

DESK = Path(__file__).parents[1] / "examples" / "desk"


class Profile:
    """rs.video_stream_profile of one of two cameras that look from one place."""

    def __init__(self, shape: tuple[int, ...], focal: float) -> None:
        self._shape, self._focal = shape, focal

    def as_video_stream_profile(self) -> Profile:
        """As librealsense casts."""
        return self

    def get_intrinsics(self) -> SimpleNamespace:
        """A pinhole without distortion."""
        height, width = self._shape[:2]
        return SimpleNamespace(
            fx=self._focal, fy=self._focal, ppx=(width - 1) / 2, ppy=(height - 1) / 2,
            height=height, width=width, coeffs=[0.0] * 5, model=None,
        )  # fmt: skip

    def get_extrinsics_to(self, other: Profile) -> SimpleNamespace:
        """No motion."""
        return SimpleNamespace(rotation=np.eye(3).ravel().tolist(), translation=[0.0, 0.0, 0.0])


class Pipeline:
    """rs.pipeline: a desk, thirty times a second by its stamps, and without waiting."""

    def __init__(self) -> None:
        self.rgb, self.depth = read_rgb(DESK / "rgb.png")[::2, ::2].copy(), read_depth(DESK / "depth_lr.png")
        self.streams = {"color": Profile(self.rgb.shape, 277.1), "depth": Profile(self.depth.shape, 69.3)}
        self.count, self.running = 0, False

    def start(self, config: Any = None) -> Pipeline:
        """Start; the profile is the pipeline itself."""
        self.running = True
        return self

    def stop(self) -> None:
        """Stop."""
        self.running = False

    def get_stream(self, name: str) -> Profile:
        """Of the profile."""
        return self.streams[name]

    def wait_for_frames(self, timeout_ms: int = 5000) -> Pipeline:
        """The next pair; RuntimeError if the pipeline does not run."""
        if not self.running:
            raise RuntimeError("wait_for_frames cannot be called before start()")
        self.count += 1
        return self

    def as_frameset(self) -> Pipeline:
        """As librealsense casts."""
        return self

    def get_depth_frame(self) -> SimpleNamespace:
        """Uint16 millimetres."""
        return self._frame(self.depth)

    def get_color_frame(self) -> SimpleNamespace:
        """Uint8 RGB."""
        return self._frame(self.rgb)

    def _frame(self, array: Array) -> SimpleNamespace:
        stamp = self.count * 1000 / 30
        return SimpleNamespace(get_data=lambda: array, get_units=lambda: 0.001, get_timestamp=lambda: stamp)


def module() -> ModuleType:
    """To be put into sys.modules as pyrealsense2."""
    stand_in = ModuleType("pyrealsense2")
    vars(stand_in).update(
        pipeline=Pipeline,
        config=lambda: SimpleNamespace(enable_stream=lambda *arguments: None),
        stream=SimpleNamespace(depth="depth", color="color"),
        format=SimpleNamespace(z16="z16", rgb8="rgb8"),
        distortion=SimpleNamespace(brown_conrady=1, inverse_brown_conrady=2, modified_brown_conrady=3),
    )
    return stand_in
