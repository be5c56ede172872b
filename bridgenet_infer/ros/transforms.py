"""Static transforms between frames, without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..registration import Floats


class StaticTransforms:
    """A tree of frames that do not move against each other."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Floats]] = {}  # child -> parent, points of the child to the parent

    def add(self, message: Any) -> None:
        """Take a tf2_msgs/TFMessage; a frame that is known already gets its new place.

        Transforms that are none are ignored, as tf2 does: they are somebody else's, and may be of other frames.
        """
        for transform in message.transforms:
            place, turn = transform.transform.translation, transform.transform.rotation
            try:
                pose = rigid((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w))
            except ValueError:
                continue
            self._parents[bare_frame(transform.child_frame_id)] = (bare_frame(transform.header.frame_id), pose)

    def between(self, target: str, source: str) -> Floats | None:
        """(4, 4) points of the frame `source` to the frame `target`, in metres; None if nothing connects them."""
        to_target, to_source = self._ancestors(target), self._ancestors(source)
        common = next((frame for frame in to_source if frame in to_target), None)
        if common is None:
            return None
        motion: Floats = np.linalg.inv(to_target[common]) @ to_source[common]
        return motion

    def _ancestors(self, frame: str) -> dict[str, Floats]:
        """The frame itself and those above it, nearest first, with the way there."""
        name, pose = bare_frame(frame), np.eye(4)
        found: dict[str, Floats] = {name: pose}
        while name in self._parents:
            name, step = self._parents[name]
            if name in found:  # a ring is no tree
                break
            pose = step @ pose
            found[name] = pose
        return found


def rigid(translation: Sequence[float], quaternion: Sequence[float]) -> Floats:
    """(4, 4) motion from x, y, z in metres and a quaternion x, y, z, w of any length.

    Raises
    ------
    ValueError
        If the quaternion is zero or a number is not finite.
    """
    x, y, z, w = np.asarray(quaternion, np.float64)
    norm = x * x + y * y + z * z + w * w
    if not (np.isfinite(norm) and norm > 0 and np.isfinite(translation).all()):
        raise ValueError(f"no rigid motion: translation {tuple(translation)}, quaternion {tuple(quaternion)}")
    s = 2 / norm
    motion = np.eye(4)
    motion[:3, :3] = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    motion[:3, 3] = translation
    return motion


def bare_frame(frame: str) -> str:
    """A frame's name as tf2 has it; tf had a slash before it."""
    return frame.removeprefix("/")
