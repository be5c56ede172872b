"""The core of the ROS nodes: pixels, stamps, frames and warnings, with messages as ROS has them."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.ros.messages import image_fields, image_to_array
from bridgenet_infer.ros.node import DepthNode, DepthOutput, convert


def message(array: np.ndarray, stamp: object, frame_id: str) -> Any:
    header = SimpleNamespace(stamp=stamp, frame_id=frame_id)
    return SimpleNamespace(header=header, **image_fields(array))


def pair(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    depth = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
    depth[2:4, 3:6] = 0
    return message(rng.integers(0, 256, (48, 64, 3), np.uint8), "rgb stamp", "camera_rgb"), message(
        depth, f"stamp {seed}", "/camera_rgb"
    )


class Collector:
    """Outputs and warnings, and an event for the first output."""

    def __init__(self) -> None:
        self.outputs: list[DepthOutput] = []
        self.warnings: list[str] = []
        self.ready = threading.Event()

    def publish(self, output: DepthOutput) -> None:
        self.outputs.append(output)
        self.ready.set()


def test_depth_is_published_in_the_rgb_frame_with_its_own_stamp(tiny_upsampler: DepthUpsampler) -> None:
    collector = Collector()
    node = DepthNode(tiny_upsampler, collector.publish, collector.warnings.append)
    info = SimpleNamespace(width=64)
    node.on_camera_info("rgb", info)
    rgb, depth = pair()
    node.on_pair(rgb, depth)
    assert collector.ready.wait(60)
    node.close()
    (output,) = collector.outputs
    expected = tiny_upsampler(image_to_array(rgb), image_to_array(depth))
    assert np.array_equal(image_to_array(SimpleNamespace(**output.fields)), expected)
    assert (output.stamp, output.frame_id) == ("stamp 0", "camera_rgb")
    assert output.camera_info.width == 64
    assert output.camera_info is not info
    diagnostics = node.diagnostics()
    assert (diagnostics["pairs received"], diagnostics["published"], diagnostics["failed"]) == ("1", "1", "0")
    assert float(diagnostics["latency p99 (ms)"]) >= float(diagnostics["up-sampling p50 (ms)"]) > 0


def test_only_a_frame_that_cannot_be_upsampled_is_left_out(tiny_upsampler: DepthUpsampler) -> None:
    collector, failed = Collector(), threading.Event()

    def warn(text: str) -> None:
        collector.warnings.append(text)
        failed.set()

    node = DepthNode(tiny_upsampler, collector.publish, warn)
    rgb, depth = pair()
    node.on_pair(message(np.zeros((11, 64, 3), np.uint8), "s", "f"), depth)
    assert failed.wait(60)
    node.on_pair(rgb, depth)
    assert collector.ready.wait(60)
    node.close()
    assert len(collector.outputs) == 1
    assert "frame left out" in collector.warnings[0]
    assert node.diagnostics()["failed"] == "1"


def test_frames_are_left_out_until_the_transform_comes() -> None:
    now, collector = [0.0], Collector()
    node = DepthNode(lambda rgb, depth: depth, collector.publish, collector.warnings.append, clock=lambda: now[0])
    raw = np.full((12, 16), 2000, np.uint16)
    rgb, depth = message(np.zeros((48, 64, 3), np.uint8), "s", "rgb"), message(raw, "s", "depth")
    for kind, focal, size in (("rgb", 160.0, (48, 64)), ("depth", 40.0, (12, 16))):
        k = [focal, 0, (size[1] - 1) / 2, 0, focal, (size[0] - 1) / 2, 0, 0, 1]
        node.on_camera_info(kind, SimpleNamespace(
            header=SimpleNamespace(frame_id=kind), height=size[0], width=size[1], K=k, D=[], P=[0.0] * 12
        ))  # fmt: skip

    def give(failed: int) -> None:
        node.on_pair(rgb, depth)
        deadline = time.monotonic() + 60
        while node.diagnostics()["failed"] != str(failed) and time.monotonic() < deadline:
            time.sleep(0.005)

    give(failed=1)
    give(failed=2)
    assert len(collector.warnings) == 1  # not once a frame
    assert "static transforms" in collector.warnings[0]
    assert node.complaint() == collector.warnings[0]
    place, turn = SimpleNamespace(x=0.1, y=0.0, z=0.0), SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    link = SimpleNamespace(
        header=SimpleNamespace(frame_id="rgb"), child_frame_id="depth",
        transform=SimpleNamespace(translation=place, rotation=turn),
    )  # fmt: skip
    node.on_static_transforms(SimpleNamespace(transforms=[link]))
    node.on_pair(rgb, depth)
    assert collector.ready.wait(60)
    node.close()
    moved = image_to_array(SimpleNamespace(**collector.outputs[-1].fields))
    expected = raw.copy()
    expected[:, :2] = 0  # 0.1 m at 2 m with a focal length of 40
    assert np.array_equal(moved, expected)
    assert collector.outputs[-1].frame_id == "rgb"


@pytest.mark.parametrize(
    ("kinds", "text"), [(("rgb", "depth"), "slop"), (("rgb",), "depth topic"), ((), "either topic")]
)
def test_silence_is_explained_and_not_repeated_at_once(kinds: tuple[str, ...], text: str) -> None:
    now, warnings = [0.0], list[str]()
    node = DepthNode(lambda rgb, depth: depth, lambda output: None, warnings.append, clock=lambda: now[0])
    for kind in kinds:
        node.on_message(kind)
    now[0] = 1.9
    node.check()
    assert warnings == []
    now[0] = 2.1
    node.check()
    node.check()
    assert len(warnings) == 1
    assert text in warnings[0]
    now[0] = 4.2
    node.check()
    assert len(warnings) == 2
    node.close()


def test_encodings_are_converted_with_their_units_and_holes() -> None:
    metres = np.array([[1.2346, np.nan, 0, np.inf, 70.0]], np.float32)
    assert convert(metres, "16UC1").tolist() == [[1235, 0, 0, 0, 65535]]
    back = convert(np.array([[1235, 0]], np.uint16), "32FC1")
    assert back[0, 0] == pytest.approx(1.235)
    assert np.isnan(back[0, 1])
    assert convert(metres, None) is metres
    with pytest.raises(ValueError, match="encoding"):
        DepthNode(lambda rgb, depth: depth, lambda output: None, print, encoding="mono8")
