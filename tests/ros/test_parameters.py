"""Parameters of the nodes: what fits, what may change, what they do; and the launch files, which hand them on."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from bridgenet_infer import __version__
from bridgenet_infer.ros.parameters import NodeParameters, rules
from testing import ROOT

ROS = ROOT / "ros"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", "8x"),
        ("scale", 1),
        ("invalid", "65535"),
        ("invalid", float("inf")),
        ("invalid", True),
        ("registered", "no"),
        ("fill_holes", "maybe"),
        ("output_encoding", "mono8"),
        ("slop", -1),
        ("slop", True),
        ("weights", 5),
        ("weights", None),
        ("lazy", 1),
        ("extrinsics", "1 2 3"),
        ("extrinsics", "0 0 0 0 0 0 0"),
        ("warmup_size", "640"),
        ("rgb_transport", "compressedDepth"),
        ("queue_size", 2.5),
        ("reliability", "sometimes"),
    ],
)
def test_parameters_that_do_not_fit_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .* got {re.escape(repr(value))}"):
        NodeParameters.read(lambda asked, default: value if asked == name else default, ros2=True)


def test_parameters_reach_the_upsampler(tiny_checkpoint: Path, rng: np.random.Generator) -> None:
    parameters = NodeParameters(weights=str(tiny_checkpoint), device="cpu", warmup_size="64x48")
    upsample = parameters.load()
    rgb, depth = rng.integers(0, 256, (48, 64, 3), np.uint8), rng.integers(0, 4000, (12, 16)).astype(np.uint16)
    filled = upsample(rgb, depth, scale=4, fill_holes=True)
    assert filled.shape == (48, 64)
    assert (filled > 0).all()
    with pytest.raises(ValueError, match="scale"):
        upsample(rgb[:, :48], depth, scale=4, fill_holes=True)


def test_what_is_fixed_is_refused_and_the_rest_changes() -> None:
    parameters = NodeParameters()
    assert parameters.changed({"slop": 0.5, "scale": 4}) == NodeParameters(slop=0.5, scale=4)
    with pytest.raises(ValueError, match=r"weights is 'sensor' and read-only: .* got 'x4'"):
        parameters.changed({"weights": "x4"})
    with pytest.raises(ValueError, match=r"scale must be 'auto' or a number from 2 to 16, got 'rubbish'"):
        parameters.changed({"scale": "rubbish"})


def test_extrinsics_are_the_pose_of_the_depth_camera() -> None:
    pose = NodeParameters(extrinsics="0.1 0 -0.2  0 0 0 1").pose
    assert pose is not None
    assert np.array_equal(pose[:3], [[1, 0, 0, 0.1], [0, 1, 0, 0], [0, 0, 1, -0.2]])
    assert NodeParameters().pose is None


def test_without_tf2_msgs_the_way_out_is_told() -> None:
    topics: Any = {"rgb": "rgb/image", "depth": "depth/image"}
    alignment = NodeParameters().alignment(topics, hears_transforms=False)
    alignment.infos = {kind: SimpleNamespace() for kind in topics}
    with pytest.raises(ValueError, match=r"no tf2_msgs: run .* in a sourced ROS 2 installation, or set 'extrinsics'"):
        alignment.motion("camera_rgb", "camera_depth")


def test_launch_files_have_the_nodes_parameters() -> None:
    expected = vars(NodeParameters())
    ros1 = ElementTree.parse(ROS / "launch" / "bridgenet.launch")
    arguments = {argument.attrib["name"]: argument.attrib["default"] for argument in ros1.iter("arg")}
    passed = {parameter.attrib["name"]: parameter.attrib["value"] for parameter in ros1.iter("param")}
    of_ros1 = {name: value for name, value in expected.items() if not rules()[name].ros2_only}
    assert {name: _typed(arguments[name]) for name in of_ros1} == of_ros1
    assert passed == {name: f"$(arg {name})" for name in of_ros1}
    ros2 = ast.parse((ROS / "launch" / "bridgenet.launch.py").read_text())
    literals = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ros2.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    assert {name: _typed(text) for name, text in literals["PARAMETERS"].items()} == expected
    remapped = {remap.attrib["from"]: remap.attrib["to"] for remap in ros1.iter("remap")}
    assert remapped == {topic: f"$(arg {name})" for name, topic in literals["TOPICS"].items()}


def _typed(text: str) -> Any:
    """What launch systems make of a text: an empty one stays."""
    return yaml.safe_load(text) if text else ""


def test_package_has_the_version_of_the_library() -> None:
    assert ElementTree.parse(ROS / "package.xml").findtext("version") == __version__


def test_both_shells_use_the_same_topics() -> None:
    topics = []
    for name in ("rospy_node.py", "rclpy_node.py"):
        source = (ROOT / "bridgenet_infer" / "ros" / name).read_text()
        topics.append(set(re.findall(r'"~?/?((?:rgb|depth)/\w+|/?diagnostics)"', source)))
    assert topics[0] == topics[1]
    assert {"rgb/image", "depth/image", "rgb/camera_info", "depth/image_raw", "depth/camera_info"} < topics[0]
