"""The ROS 2 node live: pixels, stamps, registration, parameters, bad frames, time that jumps back, two side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.ros.messages import image_to_array, stamp_of
from testing import ROOT
from testing.ros_world import running

pytest.importorskip("rclpy", reason="needs the extra ros2 (make test-ros2), or a sourced ROS 2 installation")
from rosgraph_msgs.msg import Clock

from testing.ros2_world import DEPTH_FRAME, NODE, RGB_FRAME, Peer, pair, peer, private_world, ros_arguments

NEAREST = [sys.executable, str(ROOT / "tests" / "ros" / "odd_nodes.py"), "ros2", "nearest"]
MS = 10**6
AT_ONCE = 30  # frames


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, str]]:
    with private_world() as environment:
        yield environment


@pytest.fixture(scope="module")
def shared(world: dict[str, str]) -> Iterator[Peer]:
    """A peer of a node that up-samples by nearest neighbour; the node remembers what tests set.

    Its queue holds what tests send at once: the middleware tells nothing of messages that a full queue gives up.
    """
    with running([*NEAREST, *ros_arguments(queue_size=AT_ONCE)], world), peer() as made:
        made.await_node()
        yield made


def enlarged(depth: np.ndarray) -> np.ndarray:
    return depth.repeat(4, 0).repeat(4, 1)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_pixels_stamps_and_frames_are_right(shared: Peer, dtype: type[np.generic]) -> None:
    for seed in range(5):
        rgb, depth = pair(seed, dtype)
        message = shared.await_result(shared.send(rgb, depth, lag=8 * MS))
        assert np.array_equal(image_to_array(message), enlarged(depth))
        assert (message.encoding, message.header.frame_id) == ("16UC1" if dtype is np.uint16 else "32FC1", RGB_FRAME)


def test_camera_info_is_rgbs_with_the_stamp_of_depth(shared: Peer) -> None:
    shared.send_info("rgb", (120, 160), 140.0, RGB_FRAME)
    before = len(shared.infos)

    def told() -> bool:  # topics are not ordered among each other
        shared.await_result(shared.send(*pair(0), lag=3 * MS))
        return len(shared.infos) > before

    shared.wait(told, "camera_info")
    stamp, info = max(shared.infos.items())
    assert stamp in shared.results
    assert (info.header.frame_id, info.width, info.k[0]) == (RGB_FRAME, 160, 140.0)


def test_every_frame_is_accounted_for(shared: Peer) -> None:
    start = shared.settle()
    for seed in range(AT_ONCE):
        shared.send(*pair(seed))

    def counted() -> bool:
        fates = ("depth unmatched", "depth waiting", "not asked for", "dropped", "failed", "published")
        received = shared.count("depth received")
        return received + shared.count("depth lost") == start + AT_ONCE and sum(map(shared.count, fates)) == received

    shared.wait(counted, "account of all frames")
    assert shared.diagnostics.name == "bridgenet: depth up-sampling"
    assert shared.diagnostics.hardware_id != ""


def test_depth_of_another_frame_is_registered(shared: Peer) -> None:
    """By the parameter in place of /tf_static, for which no wheel brings messages."""
    depth = np.full((30, 40), 2000, np.uint16)
    depth[4:8, 6:10] = 1000  # nearer: it moves twice as far
    expected = np.full((30, 40), 2000, np.uint16)
    expected[:, :2] = 0
    expected[4:8, 8:10] = 0  # hidden from the depth camera
    expected[4:8, 10:14] = 1000
    failed = shared.count("failed")
    shared.send(pair(0)[0], depth, frames=(RGB_FRAME, DEPTH_FRAME))
    shared.wait(lambda: shared.count("failed") > failed, "failed frame")
    assert "frame left out: depth is in the frame 'camera_depth'" in shared.diagnostics.message
    assert shared.set_parameter("extrinsics", "0.1 0 0 0 0 0 1").successful

    def registered() -> bool:
        shared.send_info("rgb", (120, 160), 160.0, RGB_FRAME)
        shared.send_info("depth", (30, 40), 40.0, DEPTH_FRAME)
        stamp = shared.send(pair(0)[0], depth, frames=(RGB_FRAME, DEPTH_FRAME))
        failed = shared.count("failed")
        shared.wait(lambda: stamp in shared.results or shared.count("failed") > failed, "anything")
        return stamp in shared.results and np.array_equal(image_to_array(shared.results[stamp]), enlarged(expected))

    shared.wait(registered, "registered depth")
    assert shared.set_parameter("extrinsics", "").successful


def test_parameters_are_described(shared: Peer) -> None:
    names = ["weights", "slop", "queue_size", "lazy"]
    found = {each.name: each for each in shared.answer(shared.parameters().describe_parameters(names)).descriptors}
    assert [found[name].type for name in names] == [4, 3, 2, 1]  # string, double, integer, bool
    assert all(each.description and each.additional_constraints for each in found.values())
    (span,) = found["slop"].floating_point_range
    assert (span.from_value, span.to_value) == (0.0, 10.0)
    assert [found[name].read_only for name in names] == [True, False, True, False]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("weights", "x4", ["weights"]), ("scale", "rubbish", ["scale", "'auto' or a number from 2 to 16", "'rubbish'"]),
     ("scale", 99, ["scale", "16", "99"]), ("slop", 11.0, ["slop", "10", "11"]), ("lazy", 3, ["lazy", "true", "3"])],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(shared: Peer, name: str, value: object, words: list[str]) -> None:
    answer = shared.set_parameter(name, value)
    assert not answer.successful
    assert all(word in answer.reason for word in words), answer.reason


def test_parameters_take_effect_while_the_node_runs(shared: Peer) -> None:
    assert shared.set_parameter("output_encoding", "32FC1").successful
    assert shared.await_result(shared.send(*pair(1))).encoding == "32FC1"
    assert shared.set_parameter("output_encoding", "auto").successful
    depth = pair(1)[1]
    assert shared.set_parameter("invalid", int(depth[0, 0])).successful
    marked = shared.await_result(shared.send(*pair(1)))
    assert np.array_equal(image_to_array(marked), enlarged(np.where(depth == depth[0, 0], 0, depth)))
    assert shared.set_parameter("invalid", "none").successful
    assert shared.set_parameter("slop", 0.04).successful
    shared.await_result(shared.send(*pair(1), lag=30 * MS))
    assert shared.set_parameter("slop", 0.02).successful


def test_bad_frames_are_counted_and_the_node_lives(shared: Peer) -> None:
    for changes in ({"step": 3}, {"encoding": "yuv422"}, {"encoding": "mono8"}, {"data": b""}, {"height": 10**6}):
        failed = shared.count("failed")
        shared.send(*pair(2), **changes)
        shared.wait(lambda: shared.count("failed") > failed, f"failure of {changes}")  # noqa: B023
    shared.await_result(shared.send(*pair(2)))


def test_time_may_jump_back(shared: Peer) -> None:
    """As of a bag that is played in a loop."""
    jumps = shared.count("jumps back in time")
    for _ in range(2):
        shared.stamp -= 50 * 10**9
        for seed in range(3):
            shared.await_result(shared.send(*pair(seed), lag=5 * MS))
    shared.wait(lambda: shared.count("jumps back in time") == jumps + 2, "two jumps")


def test_nothing_is_computed_while_nobody_subscribes(shared: Peer) -> None:
    shared.unsubscribe()
    before = shared.count("not asked for")

    def ignored() -> bool:
        shared.send(*pair(0))
        shared.await_report()
        return shared.count("not asked for") > before

    shared.wait(ignored, "ignored frame")
    assert shared.diagnostics.message == "idle: nobody subscribes"
    shared.subscribe()
    count = len(shared.results)

    def answered() -> bool:
        shared.send(*pair(0))
        shared.await_report()
        return len(shared.results) > count

    shared.wait(answered, "result")


def test_two_nodes_side_by_side_in_namespaces(world: dict[str, str]) -> None:
    """One with raw images, one with compressed ones, both on reliable topics."""
    options: dict[str, Any] = {"reliability": "reliable"}
    compressed = {**options, "rgb_transport": "compressed", "depth_transport": "compressedDepth"}
    with (
        running([*NEAREST, *ros_arguments("left", **options)], world),
        running([*NEAREST, *ros_arguments("right/eye", **compressed)], world),
        peer("left") as left,
        peer("right/eye", ("compressed", "compressedDepth")) as right,
    ):
        right.stamp *= 3
        for there, dtype in ((left, np.float32), (right, np.uint16)):
            there.await_node()
            rgb, depth = pair(7, dtype)
            message = there.await_result(there.send(rgb, depth))
            assert np.array_equal(image_to_array(message), enlarged(depth))
        assert [there.diagnostics.name for there in (left, right)] == [
            "left/bridgenet: depth up-sampling", "right/eye/bridgenet: depth up-sampling"
        ]  # fmt: skip
        assert not left.results.keys() & right.results.keys()


def test_the_network_gives_what_the_api_gives(world: dict[str, str], tiny_checkpoint: Path) -> None:
    """In simulated time, through remapped topics."""
    upsampler = DepthUpsampler.from_pretrained(tiny_checkpoint, device="cpu")
    rules = ["rgb/image:=/camera/rgb/image", "depth/image:=/camera/depth/image"]
    rules += ["rgb/camera_info:=/camera/rgb/camera_info", "depth/camera_info:=/camera/depth/camera_info"]
    arguments = ros_arguments("", rules, weights=tiny_checkpoint, device="cpu", use_sim_time="true", fill_holes="true")
    with running([*NODE, *arguments], world), peer("camera", node="/bridgenet") as there:
        clock = there.node.create_publisher(Clock, "/clock", 10)
        there.await_node()
        for seed in range(3):
            rgb, depth = pair(seed)
            message = there.await_result(there.send(rgb, depth, lag=MS))
            assert np.array_equal(image_to_array(message), upsampler(rgb, depth, fill_holes=True))

        def simulated() -> bool:
            message = Clock()
            message.clock.sec = 4321
            clock.publish(message)
            return stamp_of(SimpleNamespace(header=SimpleNamespace(stamp=there.stamped))) == 4321 * 10**9

        there.wait(simulated, "diagnostics in simulated time")
