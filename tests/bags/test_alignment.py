"""Alignment is never assumed: frame_ids that prove nothing, options that contradict, transforms on /tf."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridgenet_infer import read_depth, read_rgb
from bridgenet_infer.bags.command import main
from examples import DESK

pytest.importorskip("rosbags", reason="needs the extra bags")
from bridgenet_infer.bags.upsample import upsample_bag
from bridgenet_infer.ros.transforms import rigid
from simulation.recordings import KINDS, Recorder, bag_path

START = 1_700_000_000_000_000_000
EXTRINSICS = ["--extrinsics", "1e-1", "0", "-1e-9", "0", "0", "0", "1"]
PLACE = (0.1, 0.0, 0.0)
DEPTH = np.full((12, 16), 2000, np.uint16)
BLACK = np.zeros((48, 64, 3), np.uint8)
MOVED = np.where(np.arange(16) < 2, 0, DEPTH).astype(np.uint16)  # by 2 samples, as `PLACE` moves what is 2 m away
PLAIN = "/camera/{}/image_raw", "/camera/{}/camera_info"
LIBREALSENSE = "/device_0/sensor_0/{}_0/image/data", "/device_0/sensor_0/{}_0/info/camera_info"


def record(
    path: Path,
    frames: tuple[str, str],
    *,
    kind: str = "ros1",
    focal: float | None = 40.0,
    names: tuple[str, str] = PLAIN,
    depth: np.ndarray = DEPTH,
    colours: np.ndarray = BLACK,
    places: list[tuple[float, float, float]] | None = None,
) -> Path:
    """Three frames; of 48 x 64, focal length 160, and depth of 12 x 16, focal length 40 is the same view."""
    with Recorder(path, kind) as recorder:
        for index in range(3):
            stamp = START + index * 10**8
            for name, array, frame, length in (
                ("color", colours, frames[0], 160.0),
                ("depth", depth, frames[1], focal),
            ):
                recorder.add_image(names[0].format(name), array, stamp, frame)
                if length is not None:
                    recorder.add_info(names[1].format(name), array, length, stamp, frame)
            if places:
                recorder.add_transform(stamp, places[index], frames[1], topic="/tf")
    return path


def attempt(source: Path, **options: Any) -> np.ndarray:
    """The depth that reaches the network first."""
    given: list[np.ndarray] = []

    def upsample(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        given.append(depth)
        return depth.repeat(4, 0).repeat(4, 1)

    upsample_bag(source, source.with_name("out" + source.suffix), upsample, settings="a", **options)
    return given[0]


@pytest.mark.parametrize("frame", ["0", "", "camera_link"])
@pytest.mark.parametrize("names", [PLAIN, LIBREALSENSE])
def test_one_frame_id_proves_nothing_where_the_views_differ(
    tmp_path: Path, frame: str, names: tuple[str, str], tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "in.bag", (frame, frame), focal=30.0, names=names)
    with pytest.raises(ValueError, match=r"but their CameraInfos show different views.*extrinsics would be needed"):
        attempt(source)
    command = [str(source), "-o", str(tmp_path / "o.bag"), "--weights", str(tiny_checkpoint)]
    assert main(command) == 1
    assert "say 'registered' (--registered" in capsys.readouterr().err
    assert main([*command, "--registered"]) == 0
    assert main([*command, "--overwrite", *EXTRINSICS]) == 0


def test_extrinsics_are_used_whatever_the_frame_id_says(tmp_path: Path) -> None:
    motion = rigid(PLACE, (0, 0, 0, 1))
    for number, frames in enumerate((("0", "0"), ("", ""), ("camera", "camera"), ("camera", "other"))):
        source = record(tmp_path / f"in{number}.bag", frames)
        assert np.array_equal(attempt(source, extrinsics=motion, overwrite=True), MOVED)


def test_extrinsics_without_camera_infos_are_refused_not_ignored(tmp_path: Path) -> None:
    source = record(tmp_path / "in.bag", ("0", "0"), focal=None)
    with pytest.raises(ValueError, match=r"but extrinsics are given, and .* the CameraInfo of depth would be needed"):
        attempt(source, extrinsics=rigid(PLACE, (0, 0, 0, 1)))


def test_registered_and_extrinsics_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "in.bag"), "-o", str(tmp_path / "out.bag"), "--registered", *EXTRINSICS])
    assert stop.value.code == 2
    assert "--registered and --extrinsics exclude each other" in capsys.readouterr().err


def test_equal_views_under_one_frame_id_are_taken(tmp_path: Path) -> None:
    for number, frame in enumerate(("camera", "0", "")):
        assert np.array_equal(attempt(record(tmp_path / f"in{number}.bag", (frame, frame)), overwrite=True), DEPTH)


def test_frames_without_a_name_and_camera_infos_prove_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a frame without a name proves nothing"):
        attempt(record(tmp_path / "in.bag", ("", ""), focal=None))
    assert np.array_equal(attempt(tmp_path / "in.bag", registered=True), DEPTH)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_transforms_of_tf_are_taken(tmp_path: Path, kind: str) -> None:
    source = record(bag_path(tmp_path, "in", kind), ("camera_rgb", "camera_depth"), kind=kind, places=[PLACE] * 3)
    assert np.array_equal(attempt(source), MOVED)


def test_moving_transforms_of_tf_are_not(tmp_path: Path) -> None:
    places = [PLACE, (0.1, 0.0, 0.001), PLACE]
    source = record(tmp_path / "in.bag", ("camera_rgb", "camera_depth"), places=places)
    with pytest.raises(ValueError, match="a chain of static transforms"):
        attempt(source)


def test_markers_are_holes_before_depth_is_registered(tmp_path: Path) -> None:
    marked = DEPTH.copy()
    marked[:, 8:] = 65535
    source = record(tmp_path / "in.bag", ("camera", "camera"), depth=marked)
    registered = attempt(source, extrinsics=rigid(PLACE, (0, 0, 0, 1)), invalid=65535)
    assert set(np.unique(registered)) == {0, 2000}


@pytest.mark.parametrize("mirrored", [True, False])
def test_depth_that_does_not_fit_is_warned_of_once(
    tmp_path: Path, mirrored: bool, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    shown = rgb[:, ::-1] if mirrored else rgb
    source = record(tmp_path / "in.bag", ("camera", "camera"), focal=None, colours=shown, depth=depth)
    assert main([str(source), "-o", str(tmp_path / "out.bag"), "--weights", str(tiny_checkpoint)]) == 0
    warning = "warning: depth fits the image when left and right change places (as in 3 of 3 frames): is it registered?"
    assert capsys.readouterr().err.count(warning) == mirrored
