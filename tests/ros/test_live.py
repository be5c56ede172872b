"""The ROS 1 node live, against a real master."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.geometry import depth_to_points, intrinsic_matrix
from bridgenet_infer.ros.matching import QUEUE_SIZE
from testing import ROOT
from testing.ros_world import Frame, Request, ros_environment, run_peer, running, running_master

ROS = ROOT / "ros"
ODD_NODES = [sys.executable, str(ROOT / "tests" / "ros" / "odd_nodes.py"), "ros1"]
UNREGISTERED = [*ODD_NODES, "nearest", "_registered:=false"]  # said aloud: parameters outlive the nodes before
NODE = [sys.executable, "-m", "bridgenet_infer.ros.ros1"]
SECOND = 10**9


def make_frames(count: int, lag: float, dtype: type[np.generic] = np.uint16) -> list[Frame]:
    """48 x 64 RGB, LR by 4 with holes; depth is stamped `lag` seconds after its RGB."""
    rng = np.random.default_rng(3)
    frames = []
    for i in range(count):
        depth = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
        depth[2:4, 3:6] = 0
        stamp = 100 * SECOND + i * SECOND // 2
        values = depth if dtype is np.uint16 else (depth / 1000).astype(dtype)
        rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
        frames.append(Frame(rgb, values, stamp, stamp + round(lag * SECOND)))
    return frames


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running master."""
    folder = tmp_path_factory.mktemp("ros")
    if shutil.which("rosmaster") is None:
        pytest.skip("rosmaster is not installed")
    modules = "import rospy, sensor_msgs.msg, diagnostic_msgs.msg, tf2_msgs.msg"
    tried = subprocess.run([sys.executable, "-c", modules], env=ros_environment(folder), capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"{sys.executable} cannot use rospy: {tried.stderr.strip().splitlines()[-1]}")
    with running_master(folder) as environment:
        yield environment


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_live_node_hands_on_pixels_stamps_and_frames(
    world: dict[str, str], tmp_path: Path, dtype: type[np.generic]
) -> None:
    frames = make_frames(QUEUE_SIZE, lag=0.008, dtype=dtype)  # what every queue holds: nothing is lost in a stall
    with running([*ODD_NODES, "nearest", "_registered:=true"], world):
        exchange = run_peer(Request(frames, rate=5, pairs=len(frames), points=True), tmp_path, world)
    camera = intrinsic_matrix(525, 525, 31.5, 23.5)
    sent = {frame.depth_stamp: frame for frame in frames}
    assert len(exchange.depths) + exchange.count("dropped") == len(frames)
    assert exchange.count("failed") == 0
    assert len(exchange.depths) > 0
    for depth, stamp, frame_id, _ in exchange.depths:
        expected = sent[stamp].depth.repeat(4, 0).repeat(4, 1)
        assert depth.dtype == dtype
        assert np.array_equal(depth, expected)
        assert frame_id == "camera_rgb"
        metres = np.where(expected > 0, expected / (1000 if dtype is np.uint16 else 1), np.nan)
        points, colours = exchange.clouds[stamp]
        assert np.allclose(points, depth_to_points(metres, camera), rtol=1e-6, atol=1e-6, equal_nan=True)
        assert np.array_equal(colours, sent[stamp].rgb)
    assert [(stamp, frame_id) for _, stamp, frame_id, _ in exchange.depths] == [info[:2] for info in exchange.infos]
    assert {(width, matrix[:3]) for _, _, width, matrix in exchange.infos} == {(64, (525.0, 0.0, 31.5))}
    level, message, values = exchange.diagnostics
    assert (level, message) in [(0, "running")] or message.startswith("no pair")  # on a slow machine
    assert float(values["latency p99 (ms)"]) > float(values["up-sampling p50 (ms)"])


def test_live_node_explains_why_nothing_matches(world: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "node.txt").open("w") as log, running([*ODD_NODES, "nearest", "_slop:=0.05"], world, log):
        exchange = run_peer(Request(make_frames(5, lag=0.06), rate=20, pairs=0), tmp_path, world)
    level, message, values = exchange.diagnostics
    assert level == 1
    assert "(5 rgb and 5 depth messages): their stamps are farther apart than the slop" in message
    assert values["pairs received"] == "0"
    assert exchange.depths == []
    assert re.search(r"no pair for \d+ s", (tmp_path / "node.txt").read_text())


def test_live_node_pairs_what_its_slop_allows(world: dict[str, str], tmp_path: Path) -> None:
    with running([*ODD_NODES, "nearest", "_slop:=0.07"], world):
        exchange = run_peer(Request(make_frames(5, lag=0.06), rate=10, pairs=5), tmp_path, world)
    assert exchange.count("pairs received") == 5


def test_live_node_registers_depth_of_another_frame(world: dict[str, str], tmp_path: Path) -> None:
    frames = make_frames(5, lag=0.0)
    for frame in frames:
        frame.depth[:] = 2000
        frame.depth[4:8, 6:10] = 1000  # nearer: it moves twice as far
    # a pixel of depth is 4 of RGB; 0.1 m to the right: 2 pixels of depth at 2 m, 4 at 1 m
    request = Request(frames, rate=2, pairs=5, focal=160.0, depth_focal=40.0, place=(0.1, 0.0, 0.0))
    with running(UNREGISTERED, world):
        exchange = run_peer(request, tmp_path, world)
    expected = np.full((12, 16), 2000, np.uint16)
    expected[:, :2] = 0
    expected[4:8, 8:10] = 0  # hidden from the depth camera
    expected[4:8, 10:14] = 1000
    assert exchange.count("failed") == 0
    assert len(exchange.depths) > 0
    for depth, _, frame_id, _ in exchange.depths:
        assert np.array_equal(depth, expected.repeat(4, 0).repeat(4, 1))
        assert frame_id == "camera_rgb"


def test_live_node_refuses_to_guess_where_depth_lies(world: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "node.txt").open("w") as log, running(UNREGISTERED, world, log):
        exchange = run_peer(Request(make_frames(3, lag=0.0), rate=10, pairs=3), tmp_path, world)
    assert exchange.depths == []
    assert exchange.count("failed") + exchange.count("dropped") == 3
    assert "depth is in the frame 'camera_depth', RGB in 'camera_rgb'" in (tmp_path / "node.txt").read_text()


def test_launch_file_starts_the_network_with_its_parameters(
    world: dict[str, str], tmp_path: Path, shipped: DepthUpsampler
) -> None:
    roslaunch = shutil.which("roslaunch")
    if roslaunch is None:
        pytest.skip("roslaunch is not installed")
    environment = {**world, "ROS_PACKAGE_PATH": str(ROS), "PATH": f"{Path(sys.executable).parent}:{world['PATH']}"}
    frame = make_frames(1, lag=0.0)[0]
    marker = int(frame.depth[0, 0])
    words = "weights:=default registered:=true fill_holes:=true output_encoding:=32FC1 scale:=4 device:=cpu"
    command = [roslaunch, "bridgenet_infer", "bridgenet.launch", *words.split(), f"invalid:={marker}"]
    with running(command, environment):
        exchange = run_peer(Request([frame], rate=1, pairs=1), tmp_path, environment)
    ((depth, *_),) = exchange.depths
    assert depth.dtype == np.float32
    # another process may use another number of threads, so a millimetre may be rounded the other way
    expected = shipped(frame.rgb, frame.depth, fill_holes=True, invalid=marker)
    assert np.abs(depth - expected / 1000).max() < 0.0015


def test_node_ends_when_its_upsampler_breaks(world: dict[str, str], tmp_path: Path) -> None:
    with (
        (tmp_path / "node.txt").open("w") as log,
        running([*ODD_NODES, "broken", "_registered:=true"], world, log) as process,
    ):
        run_peer(Request(make_frames(5, lag=0.0), rate=10, pairs=5, patience=0), tmp_path, world)
        assert process.wait(60) == 1
    assert "RuntimeError: the accelerator is gone" in (tmp_path / "node.txt").read_text()


def test_node_refuses_parameters_before_the_first_frame(world: dict[str, str]) -> None:
    done = subprocess.run([*NODE, "_scale:=99"], env=world, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "scale must be 'auto' or a number from 2 to 16, got 99" in done.stderr
