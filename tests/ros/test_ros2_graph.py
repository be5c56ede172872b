"""The ROS 2 node live among others: point clouds, alignment, quality of service, several nodes in one process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import read_depth, read_rgb
from bridgenet_infer.geometry import depth_to_points
from bridgenet_infer.ros.messages import image_to_array, stamp_of
from examples import DESK
from testing import ROOT
from testing.clouds import read_cloud
from testing.ros_world import running

pytest.importorskip("rclpy", reason="needs the extra ros2 (make test-ros2), or a sourced ROS 2 installation")
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import PointCloud2

from bridgenet_infer.ros.rclpy_node import BridgeNetNode
from testing.ros2_world import RGB_FRAME, pair, peer, private_world, ros_arguments

NEAREST = [sys.executable, str(ROOT / "tests" / "ros" / "odd_nodes.py"), "ros2", "nearest"]


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, str]]:
    with private_world() as environment:
        yield environment


def test_points_are_made_when_somebody_subscribes(world: dict[str, str]) -> None:
    with running([*NEAREST, *ros_arguments()], world), peer() as there:
        there.await_node()
        clouds: dict[int, Any] = {}
        there.node.create_subscription(
            PointCloud2, "/bridgenet/depth/points", lambda message: clouds.update({stamp_of(message): message}), 100
        )
        rgb, depth = pair(3)

        def made() -> bool:
            there.send_info("rgb", (120, 160), 140.0, RGB_FRAME)
            there.send(rgb, depth)
            there.await_report()
            return bool(clouds)

        there.wait(made, "cloud")
        stamp, cloud = max(clouds.items())
        assert cloud.header.frame_id == RGB_FRAME
        metres = image_to_array(there.await_result(stamp)) / 1000
        points, colours = read_cloud(cloud)
        matrix = np.array([[140, 0, 79.5], [0, 140, 59.5], [0, 0, 1]])
        expected = depth_to_points(np.where(metres > 0, metres, np.nan), matrix)
        assert np.allclose(points, expected, rtol=1e-6, atol=1e-6, equal_nan=True)
        assert np.array_equal(colours, rgb)


def test_depth_that_does_not_fit_is_told_once(world: dict[str, str], tmp_path: Path) -> None:
    rgb, depth = read_rgb(DESK / "rgb.png")[::2, ::-2], read_depth(DESK / "depth_lr.png")
    said = tmp_path / "node.txt"
    with said.open("w") as log, running([*NEAREST, *ros_arguments()], world, log), peer() as there:
        there.await_node(answers=False)

        def told() -> bool:
            there.send(np.ascontiguousarray(rgb), depth)
            there.await_report()
            return "depth fits the image when left and right change places" in there.diagnostics.message

        there.wait(told, "warning")
        for _ in range(3):
            assert told()
    assert said.read_text().count("left and right change places") == 1


def test_qos_of_results_may_be_overridden(world: dict[str, str]) -> None:
    topics = {"/bridgenet/depth/image_raw": "best_effort", "/bridgenet/depth/camera_info": "reliable"}
    overrides: dict[str, Any] = {f"qos_overrides.{next(iter(topics))}.publisher.reliability": "best_effort"}
    with running([*NEAREST, *ros_arguments("", **overrides)], world), peer() as there:
        there.await_node(answers=False)
        for topic, reliability in topics.items():
            (publisher,) = there.node.get_publishers_info_by_topic(topic)
            assert publisher.qos_profile.reliability == ReliabilityPolicy[reliability.upper()]


def test_nodes_share_an_executor_of_one_process(world: dict[str, str]) -> None:
    """Python's way of composition: no component container takes Python nodes."""
    nodes = [BridgeNetNode(namespace=name, parameter_overrides=[Parameter("scale", value=4)]) for name in ("a", "b")]
    executor = SingleThreadedExecutor()
    for number, node in enumerate(nodes):
        node.start(lambda rgb, depth, number=number, **options: depth.repeat(4, 0).repeat(4, 1) + np.uint16(number))
        executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        for number, name in enumerate(("a", "b")):
            with peer(name) as there:
                there.await_node()
                rgb, depth = pair(number)
                message = there.await_result(there.send(rgb, depth))
                assert np.array_equal(image_to_array(message), depth.repeat(4, 0).repeat(4, 1) + number)
    finally:
        executor.shutdown()
        thread.join()
        for node in nodes:
            node.close()
            node.destroy_node()
