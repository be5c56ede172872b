"""The core of the ROS nodes: pixels, stamps, frames and warnings, with messages as ROS has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.ros.matching import Kind
from bridgenet_infer.ros.messages import image_fields, image_to_array
from bridgenet_infer.ros.node import DepthNode, DepthOutput, convert
from bridgenet_infer.ros.parameters import NodeParameters
from bridgenet_infer.temporal import Temporal, TemporalFilter


def message(array: np.ndarray, stamp: int, frame_id: str) -> Any:
    """An Image with a stamp in seconds."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0), frame_id=frame_id)
    return SimpleNamespace(header=header, **image_fields(array))


def give(node: DepthNode, rgb: Any, depth: Any) -> None:
    node.on_image("rgb", rgb)
    node.on_image("depth", depth)


def count(node: DepthNode, name: str) -> int:
    return int(node.report().values[name])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def same(rgb: np.ndarray, depth: np.ndarray, **options: Any) -> np.ndarray:
    """In the place of an up-sampler."""
    return depth


def pair(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    depth = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
    depth[2:4, 3:6] = 0
    rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
    return message(rgb, seed, "camera_rgb"), message(depth, seed, "/camera_rgb")


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
    give(node, rgb, depth)
    wait_for(lambda: count(node, "published") == 1)
    node.close()
    (output,) = collector.outputs
    expected = tiny_upsampler(image_to_array(rgb), image_to_array(depth))
    assert np.array_equal(image_to_array(SimpleNamespace(**output.fields)), expected)
    assert (output.stamp, output.frame_id) == (depth.header.stamp, "camera_rgb")
    assert output.camera_info.width == 64
    assert output.camera_info is not info
    report = node.report()
    assert (count(node, "pairs received"), count(node, "failed")) == (1, 0)
    assert float(report.values["latency p99 (ms)"]) >= float(report.values["up-sampling p50 (ms)"]) > 0
    assert (report.warns, report.message) == (False, "running")


def test_only_a_frame_that_cannot_be_upsampled_is_left_out(tiny_upsampler: DepthUpsampler) -> None:
    collector = Collector()
    node = DepthNode(tiny_upsampler, collector.publish, collector.warnings.append)
    rgb, depth = pair()
    for failed in (1, 2):
        give(node, message(np.zeros((10 + failed, 64, 3), np.uint8), 0, "camera_rgb"), depth)
        wait_for(lambda: count(node, "failed") == failed)  # noqa: B023
    assert node.report().warns
    assert node.report().values["latency p50 (ms)"] == ""
    give(node, rgb, depth)
    assert collector.ready.wait(60)
    node.close()
    assert len(collector.outputs) == 1
    assert "frame left out" in collector.warnings[0]
    assert len(collector.warnings) == 1  # one a kind


def test_frames_are_left_out_until_the_transform_comes() -> None:
    now, collector = [0.0], Collector()
    node = DepthNode(same, collector.publish, collector.warnings.append, clock=lambda: now[0])
    raw = np.full((12, 16), 2000, np.uint16)
    rgb, depth = message(np.zeros((48, 64, 3), np.uint8), 0, "rgb"), message(raw, 0, "depth")
    for kind, focal, size in (("rgb", 160.0, (48, 64)), ("depth", 40.0, (12, 16))):
        k = [focal, 0, (size[1] - 1) / 2, 0, focal, (size[0] - 1) / 2, 0, 0, 1]
        node.on_camera_info(kind, SimpleNamespace(
            header=SimpleNamespace(frame_id=kind), height=size[0], width=size[1], K=k, D=[], P=[0.0] * 12
        ))  # fmt: skip

    for failed in (1, 2):
        give(node, rgb, depth)
        wait_for(lambda: count(node, "failed") == failed)  # noqa: B023
    assert len(collector.warnings) == 1  # not once a frame
    assert "static transforms" in collector.warnings[0]
    assert node.report().message == collector.warnings[0]
    place, turn = SimpleNamespace(x=0.1, y=0.0, z=0.0), SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    link = SimpleNamespace(
        header=SimpleNamespace(frame_id="rgb"), child_frame_id="depth",
        transform=SimpleNamespace(translation=place, rotation=turn),
    )  # fmt: skip
    node.on_static_transforms(SimpleNamespace(transforms=[link]))
    give(node, rgb, depth)
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
def test_silence_is_explained_and_not_repeated_at_once(kinds: tuple[Kind, ...], text: str) -> None:
    now, warnings = [0.0], list[str]()
    node = DepthNode(same, lambda output: None, warnings.append, clock=lambda: now[0])
    for stamp, kind in enumerate(kinds):
        node.on_image(kind, message(np.zeros((4, 4), np.uint16), stamp, "camera"))
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


@pytest.mark.parametrize(("encoding", "dtype"), [("mono16", np.uint16), ("mono8", np.uint8), ("rgb8", None)])
def test_depth_is_16_bits_or_float_whatever_its_name(encoding: str, dtype: type | None) -> None:
    collector = Collector()
    node = DepthNode(same, collector.publish, collector.warnings.append)
    depth = message(np.ones((12, 16) if dtype else (12, 16, 3), dtype or np.uint8), 0, "c")
    depth.encoding = encoding
    give(node, message(np.zeros((48, 64, 3), np.uint8), 0, "c"), depth)
    if encoding == "mono16":
        assert collector.ready.wait(60)
        assert collector.outputs[0].fields["encoding"] == "16UC1"
    else:
        wait_for(lambda: count(node, "failed") == 1)
        assert collector.warnings == [f"frame left out: depth must be 16UC1, mono16 or 32FC1, got '{encoding}'"]
    node.close()


def test_bad_messages_are_counted_and_told_once_a_kind(tiny_upsampler: DepthUpsampler) -> None:
    collector = Collector()
    node = DepthNode(tiny_upsampler, collector.publish, collector.warnings.append)
    faults = ({"step": 3}, {"encoding": "yuv444"}, {"data": b""}, {"height": 10**6}, {"width": 0}, {"height": 0})
    stamp = 0
    for _ in range(3):
        for changes in faults:
            for kind in range(2):
                messages = pair(stamp)
                vars(messages[kind]).update(changes)
                give(node, *messages)
                stamp += 1
                wait_for(lambda: count(node, "failed") == stamp)  # noqa: B023
    give(node, *pair(stamp))
    assert collector.ready.wait(60)
    node.close()
    assert len(collector.warnings) == len(set(collector.warnings)) <= 2 * len(faults)


def test_nothing_is_computed_for_nobody() -> None:
    collector, asked = Collector(), [False]
    node = DepthNode(same, collector.publish, collector.warnings.append, wanted=lambda: asked[0])
    give(node, *pair(0))
    assert (count(node, "not asked for"), node.report().message) == (1, "idle: nobody subscribes")
    asked[0] = True
    give(node, *pair(1))
    wait_for(lambda: count(node, "published") == 1)
    asked[0] = False
    node.configure(NodeParameters(lazy=False))
    give(node, *pair(2))
    wait_for(lambda: count(node, "published") == 2)
    node.close()


def test_diagnostics_of_silence_and_overload_are_honest() -> None:
    now, begun, go = [0.0], threading.Event(), threading.Event()

    def wait(rgb: np.ndarray, depth: np.ndarray, **options: Any) -> np.ndarray:
        begun.set()
        go.wait(60)
        return depth

    node = DepthNode(wait, lambda output: None, print, clock=lambda: now[0])
    node.report()
    give(node, *pair(0))
    assert begun.wait(60)
    for stamp in range(1, 10):
        give(node, *pair(stamp))
        now[0] += 0.1
    report = node.report()
    assert report.warns
    assert report.message.startswith("8 of 10 pairs dropped within 5 s")
    go.set()
    wait_for(lambda: count(node, "published") == 2)
    assert float(node.report().values["rate (Hz)"]) > 0
    now[0] += 8
    report = node.report()
    assert (report.values["rate (Hz)"], report.values["latency p50 (ms)"]) == ("0.0", "")
    assert report.message.startswith("no pair for 8 s")
    node.close()


def test_every_message_is_accounted_for() -> None:
    node = DepthNode(same, lambda output: None, print)
    for stamp in (5, 6, 7, 2, 3, 9):
        node.on_image("rgb", pair(stamp)[0])
        if stamp != 3:
            node.on_image("depth", pair(stamp)[1])
    wait_for(lambda: count(node, "published") + count(node, "dropped") == 5)
    for kind in ("rgb", "depth"):
        counted = sum(count(node, name) for name in (f"{kind} unmatched", f"{kind} waiting", "pairs received"))
        assert count(node, f"{kind} received") == counted
    assert count(node, "jumps back in time") == 1
    node.close()


def test_depth_is_steadied_when_it_is_asked_for() -> None:
    collector, rng = Collector(), np.random.default_rng(0)
    node = DepthNode(same, collector.publish, collector.warnings.append, parameters=NodeParameters(temporal=True))
    sent = [rng.normal(2000, 10, (12, 16)).astype(np.uint16) for _ in range(6)]
    for index, depth in enumerate(sent, 1):
        give(node, *(message(x, index, "camera_rgb") for x in (np.zeros((48, 64, 3), np.uint8), depth)))
        wait_for(lambda: count(node, "published") == index)  # noqa: B023
    node.close()
    shown, steady = [image_to_array(SimpleNamespace(**output.fields)) for output in collector.outputs], Temporal()
    assert all(map(np.array_equal, shown, map(TemporalFilter(steady), sent)))
    assert np.std(shown[3:], axis=0).mean() < 0.7 * np.std(sent[3:], axis=0).mean()
