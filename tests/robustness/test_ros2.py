"""The campaigns of the ROS 2 node, in short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs the extra ros2 (make test-ros2), or a sourced ROS 2 installation")

from robustness.ros import camera, signals


def test_signals_end_the_node_quietly(tmp_path: Path) -> None:
    assert signals.main(["--signals", "3", "--longest", "5", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "signals.json").read_text())["ends"] == [["0", "no", "3"]]


def test_no_frame_of_a_restless_camera_is_lost(tmp_path: Path) -> None:
    assert camera.main(["--minutes", "0.15", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "camera.json").read_text())["frames"] > 0
