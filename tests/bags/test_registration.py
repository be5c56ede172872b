"""Bags whose depth was seen by another camera: registered where the bag says how, refused where it does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.bags.command import main

pytest.importorskip("rosbags", reason="needs the extra bags")
from bridgenet_infer.bags.upsample import upsample_bag
from bridgenet_infer.ros.transforms import rigid
from simulation.recordings import DEPTH_FRAME, DEPTH_INFO, KINDS, RGB_INFO, Recording, bag_path, write_recording
from testing.ros_world import Frame

START = 1_700_000_000_000_000_000
PLACE = (0.1, 0.0, 0.0)


def wall_and_block(dtype: type = np.uint16) -> np.ndarray:
    depth = np.full((12, 16), 2000, np.uint16)
    depth[4:8, 6:10] = 1000
    depth[0, 12] = 0
    return depth if dtype is np.uint16 else (depth / 1000).astype(dtype)


def seen_from_rgb(dtype: type = np.uint16) -> np.ndarray:
    """`wall_and_block` from 0.1 m further left, with a focal length of 40: what is 2 m away moves 2 pixels, 1 m: 4."""
    depth = np.full((12, 16), 2000, np.uint16)
    depth[:, :2] = 0  # out of the depth camera's view
    depth[4:8, 8:10] = 0  # behind the block
    depth[4:8, 10:14] = 1000
    depth[0, 14] = 0
    return depth if dtype is np.uint16 else np.where(depth > 0, depth / 1000, np.nan).astype(dtype)


def record(path: Path, kind: str, dtype: type = np.uint16, **changes: Any) -> Path:
    """A pixel of depth is 4 of RGB: focal lengths of 160 and 40."""
    rgb, stamps = np.zeros((48, 64, 3), np.uint8), [START + index * 10**8 for index in range(3)]
    frames = [Frame(rgb, wall_and_block(dtype), stamp, stamp) for stamp in stamps]
    recording = Recording(frames, focal=160.0, depth_frame=DEPTH_FRAME, depth_focal=40.0, place=PLACE)
    return write_recording(path, kind, replace(recording, **changes))


class Nearest:
    """Pixels repeated by 4; keeps the depth that it was given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []

    def __call__(self, rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        self.given.append(depth)
        return depth.repeat(4, 0).repeat(4, 1)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_depth_of_another_camera_is_registered(tmp_path: Path, kind: str, compressed: bool) -> None:
    source, upsample = record(bag_path(tmp_path, "in", kind), kind, compressed=compressed), Nearest()
    report = upsample_bag(source, bag_path(tmp_path, "out", kind), upsample, settings="a")
    assert (report.pairs, report.failed) == (3, [])
    assert (report.topics.rgb_info, report.topics.depth_info) == (RGB_INFO, DEPTH_INFO)
    for depth in upsample.given:
        assert np.array_equal(depth, seen_from_rgb())


def test_float_depth_keeps_metres_and_its_kind_of_holes(tmp_path: Path) -> None:
    source, upsample = record(tmp_path / "in.bag", "ros1", np.float32), Nearest()
    upsample_bag(source, tmp_path / "out.bag", upsample, settings="a")
    assert np.allclose(upsample.given[0], seen_from_rgb(np.float32), equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_bags_that_do_not_say_how_are_refused_at_once(
    tmp_path: Path, kind: str, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(bag_path(tmp_path, "in", kind), kind, place=None, depth_focal=None)
    target = bag_path(tmp_path, "out", kind)
    command = [str(source), "-o", str(target), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "depth is in the frame 'camera_depth', RGB in 'camera_rgb'" in error
    assert "the CameraInfo of depth and a chain of static transforms between the two frames would be needed" in error
    assert sorted(tmp_path.iterdir()) == [source]
    assert main([*command, "--registered"]) == 0


def test_extrinsics_of_the_caller_replace_those_of_the_bag(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, upsample = record(tmp_path / "in.bag", "ros1", place=(5.0, 5.0, 5.0)), Nearest()
    upsample_bag(source, tmp_path / "out.bag", upsample, settings="a", extrinsics=rigid(PLACE, (0, 0, 0, 1)))
    assert np.array_equal(upsample.given[0], seen_from_rgb())
    command = [str(source), "-o", str(tmp_path / "other.bag"), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    numbers = ["--extrinsics", "-0.1", "0", "0", "0", "0", "0"]
    assert main([*command, *numbers, "1"]) == 0
    assert main([*command, "--overwrite", *numbers, "0"]) == 1
    assert "no rigid motion" in capsys.readouterr().err
    assert (tmp_path / "other.bag").exists()


def test_camera_infos_can_be_named_and_wrong_names_are_explained(tmp_path: Path) -> None:
    source, upsample = record(tmp_path / "in.bag", "ros1"), Nearest()
    report = upsample_bag(source, tmp_path / "out.bag", upsample, settings="a", rgb_info_topic=DEPTH_INFO)
    assert report.topics.rgb_info == DEPTH_INFO
    assert np.array_equal(upsample.given[0], seen_from_rgb())  # the same camera, but for the size of its image
    with pytest.raises(
        ValueError, match=f"/nowhere is no CameraInfo topic of the bag; there are: {RGB_INFO}, {DEPTH_INFO}"
    ):
        upsample_bag(source, tmp_path / "other.bag", upsample, settings="a", depth_info_topic="/nowhere")


def test_registered_depth_is_upsampled_by_the_network(tmp_path: Path, tiny_upsampler: DepthUpsampler) -> None:
    source = record(tmp_path / "in.bag", "ros1")
    report = upsample_bag(source, tmp_path / "out.bag", tiny_upsampler, settings="a")
    assert (report.pairs, report.failed) == (3, [])
