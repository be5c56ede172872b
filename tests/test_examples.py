"""The examples: point clouds that hold the renderer's points, other programs' types, a camera's loop, a recording."""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bridgenet_infer.geometry import depth_to_points, intrinsic_matrix, ply_bytes
from bridgenet_infer.read import read_depth, read_rgb
from bridgenet_infer.registration import register_depth
from bridgenet_infer.stream import DepthStream, StreamResult
from examples import point_cloud
from examples.point_cloud import coloured_points
from simulation.raycast import default_camera

DESK = Path(__file__).parents[1] / "examples" / "desk"
MATRIX = intrinsic_matrix(50.0, 51.0, 31.0, 24.5)


def rgbd(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Noise of 64 x 48; millimetres or metres up to 9 m, with holes of every kind that the dtype has."""
    rng = np.random.default_rng(1)
    depth = rng.integers(500, 9000, (48, 64)).astype(dtype)
    if depth.dtype.kind == "f":
        depth /= 1000
        depth[0, :2] = np.nan, np.inf
    depth[1, :5] = 0
    return rng.integers(0, 256, (48, 64, 3), np.uint8), depth


def metres(depth: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(depth), depth, 0) / (1000 if depth.dtype == np.uint16 else 1)


def read_ply(path: Path) -> dict[str, np.ndarray]:
    """Any binary little-endian PLY with one element of scalars."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    kinds = {"float": "<f4", "double": "<f8", "uchar": "u1"}
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    (count,) = (int(line.split()[2]) for line in lines if line.startswith("element"))
    fields = [(name, kinds[kind]) for _, kind, name in (line.split() for line in lines if line.startswith("property"))]
    vertices = np.frombuffer(body, np.dtype(fields))
    assert len(vertices) == count
    return {name: vertices[name] for name, _ in fields}


def test_a_ply_holds_every_measured_pixel_with_its_colour(tmp_path: Path) -> None:
    rgb, depth = rgbd(np.float32)
    points, colours = coloured_points(rgb, depth, MATRIX)
    (tmp_path / "cloud.ply").write_bytes(ply_bytes(points, colours))
    ply = read_ply(tmp_path / "cloud.ply")
    valid = metres(depth) > 0
    rows, columns = np.nonzero(valid)
    assert np.allclose(ply["z"], depth[valid])
    assert np.allclose(ply["x"] / ply["z"] * 50 + 31, columns, atol=1e-3)
    assert np.allclose(ply["y"] / ply["z"] * 51 + 24.5, rows, atol=1e-3)
    assert np.array_equal(np.stack([ply["red"], ply["green"], ply["blue"]], -1), rgb[valid])
    with pytest.raises(ValueError, match="one size"):
        coloured_points(rgb[:-1], depth, MATRIX)


def test_the_point_cloud_command_upsamples_the_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "desk.ply"
    monkeypatch.setattr(sys, "argv", ["point_cloud", "-o", str(target)])
    point_cloud.main()
    assert "307,200 points" in capsys.readouterr().out
    ply, exact = read_ply(target), read_depth(DESK / "depth.png").ravel() / 1000
    assert np.median(np.abs(ply["z"] - exact)) < 0.005
    assert np.array_equal(ply["red"], read_rgb(DESK / "rgb.png")[..., 0].ravel())


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_open3d_sees_the_same_points_in_metres(tmp_path: Path, dtype: type) -> None:
    o3d = pytest.importorskip("open3d", reason="open3d, or libusb, is absent", exc_type=ImportError)
    from examples.open3d_view import point_cloud as open3d_cloud
    from examples.open3d_view import rgbd_image

    rgb, depth = rgbd(dtype)
    expected, colours = coloured_points(rgb, metres(depth), MATRIX)
    cloud = open3d_cloud(rgb, depth, MATRIX)
    assert np.allclose(np.asarray(cloud.points), expected, atol=1e-4)
    assert np.allclose(np.asarray(cloud.colors) * 255, colours)
    image = rgbd_image(rgb, depth)
    assert np.allclose(np.asarray(image.depth), metres(depth), atol=1e-6)
    assert np.array_equal(np.asarray(image.color), rgb)
    (tmp_path / "ours.ply").write_bytes(ply_bytes(expected, colours))
    read = o3d.io.read_point_cloud(str(tmp_path / "ours.ply"))
    assert np.allclose(np.asarray(read.points), expected, atol=1e-5)
    assert np.allclose(np.asarray(read.colors) * 255, colours)
    with pytest.raises(ValueError, match="int32"):
        rgbd_image(rgb, metres(depth).astype(np.int32))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_rerun_recording_holds_camera_image_and_depth(tmp_path: Path, dtype: type) -> None:
    rr = pytest.importorskip("rerun", reason="needs the extra rerun", exc_type=ImportError)
    reader = pytest.importorskip("rerun.chunk", reason="this Rerun cannot read recordings").RrdReader
    from examples.rerun_log import log_frame

    rgb, depth = rgbd(dtype)
    recording = rr.RecordingStream("test")
    recording.save(tmp_path / "test.rrd")
    log_frame(recording, "camera", rgb, depth, MATRIX)
    recording.flush()
    recording.disconnect()
    logged: dict[str, Any] = {}
    for chunk in reader(tmp_path / "test.rrd").stream():
        batch = chunk.to_record_batch()
        logged |= {f"{chunk.entity_path} {name}": batch.column(name)[0].as_py()[0] for name in batch.schema.names
                   if ":" in name and chunk.entity_path.startswith("/camera")}  # fmt: skip
    assert np.allclose(logged["/camera Pinhole:image_from_camera"], MATRIX.T.ravel())  # columns first
    assert logged["/camera Pinhole:resolution"] == [64, 48]
    assert bytes(logged["/camera/rgb Image:buffer"]) == rgb.tobytes()
    units = np.frombuffer(bytes(logged["/camera/depth DepthImage:buffer"]), dtype)
    assert np.allclose(units / logged["/camera/depth DepthImage:meter"], metres(depth).ravel(), atol=1e-6)


class SoftwareCamera:
    """librealsense's software device with a colour camera beside and turned to its depth camera."""

    def __init__(self, rs: Any) -> None:
        self.rs, self.device = rs, rs.software_device()
        self.syncer, self.streams = rs.syncer(16), {}
        for name, kind, form, size in (("Depth", rs.stream.depth, rs.format.z16, (80, 60)),
                                       ("Color", rs.stream.color, rs.format.rgb8, (128, 96))):  # fmt: skip
            sensor = self.device.add_sensor(name)
            video = rs.video_stream()
            video.type, video.uid, video.index, video.fmt, video.fps = kind, len(self.streams), 0, form, 30
            (video.width, video.height), video.bpp = size, 2 if name == "Depth" else 3
            video.intrinsics = self.intrinsics(size)
            self.streams[name] = (sensor, sensor.add_video_stream(video).as_video_stream_profile())
        self.depth_profile, self.rgb_profile = (profile for _, profile in self.streams.values())
        self.motion = rs.extrinsics()
        turn = cv2.Rodrigues(np.array([0.01, -0.02, 0.005]))[0]
        self.motion.rotation, self.motion.translation = turn.ravel(order="F").tolist(), [0.02, -0.001, 0.003]
        self.depth_profile.register_extrinsics_to(self.rgb_profile, self.motion)
        self.device.create_matcher(rs.matchers.default)
        for sensor, profile in self.streams.values():
            sensor.open(profile)
            sensor.start(self.syncer)

    def intrinsics(self, size: tuple[int, int]) -> Any:
        intrinsics = self.rs.intrinsics()
        intrinsics.width, intrinsics.height = size
        intrinsics.fx, intrinsics.fy, intrinsics.ppx, intrinsics.ppy = 70.0 + size[0] / 8, 71.0 + size[0] / 8, 41.5, 30
        if size[0] == 128:
            intrinsics.ppx, intrinsics.ppy, intrinsics.model = 62.0, 49.0, self.rs.distortion.inverse_brown_conrady
            intrinsics.coeffs = [0.08, -0.05, 0.002, -0.001, 0.01]
        return intrinsics

    def stamp(self, number: int) -> float:
        return number * 1000 / 30  # from 0: the software matcher pairs no others

    def send(self, number: int, rgb: np.ndarray, depth: np.ndarray) -> None:
        for name, pixels in (("Depth", depth), ("Color", rgb)):
            sensor, profile = self.streams[name]
            frame = self.rs.software_video_frame()
            frame.bpp = 2 if name == "Depth" else 3
            frame.stride, frame.pixels, frame.profile = pixels.shape[1] * frame.bpp, pixels, profile
            frame.timestamp, frame.frame_number = self.stamp(number), number
            frame.domain = self.rs.timestamp_domain.hardware_clock
            if name == "Depth":
                frame.depth_units = 0.0005  # half a millimetre, not everybody's default
            sensor.on_video_frame(frame)


def test_realsense_frames_come_out_registered_in_metres() -> None:
    rs = pytest.importorskip("pyrealsense2", reason="pyrealsense2, or libusb, is absent", exc_type=ImportError)
    from examples.realsense_loop import calibration, feed, registered

    camera = SoftwareCamera(rs)
    rig = calibration(camera.depth_profile, camera.rgb_profile)
    # librealsense's own way from a pixel of the depth camera to one of the colour camera
    point = rs.rs2_deproject_pixel_to_point(camera.depth_profile.get_intrinsics(), [60.0, 20.0], 1.5)
    moved = rs.rs2_transform_point_to_point(camera.motion, point)
    expected = rs.rs2_project_point_to_pixel(camera.rgb_profile.get_intrinsics(), moved)
    ours = rig.rgb_from_depth[:3] @ [*(depth_to_points(np.full((60, 80), 1.5), rig.depth_matrix)[20, 60]), 1]
    assert np.allclose(ours, moved, atol=1e-6)
    pixel = cv2.projectPoints(ours.reshape(1, 3), np.zeros(3), np.zeros(3), rig.rgb_matrix, rig.rgb_distortion)[0]
    assert np.allclose(pixel.ravel(), expected, atol=0.05)

    sent, results = {}, list[StreamResult]()
    seen: list[np.ndarray] = []
    rng = np.random.default_rng(0)

    def upsample(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        seen.append(rgb)
        return depth

    for number in range(6):
        rgb, depth = rng.integers(0, 256, (96, 128, 3), np.uint8), rng.integers(2000, 6000, (60, 80), np.uint16)
        camera.send(number, rgb, depth)
        sent[camera.stamp(number)] = rgb, depth
    with DepthStream(registered(upsample, rig, 2.0), drop="none", on_result=results.append) as stream:
        feed(camera.syncer, stream, 4)  # the syncer begins with half a pair
    assert len(results) == 4
    for rgb, result in zip(seen, results, strict=True):
        sent_rgb, sent_depth = sent[result.stamp]
        assert np.array_equal(rgb, sent_rgb)
        lr_depth = register_depth(
            sent_depth * 0.0005, rig.depth_matrix, rig.rgb_matrix, rig.rgb_from_depth, (96, 128), 2.0,
            rgb_distortion=rig.rgb_distortion,
        )  # fmt: skip
        assert result.depth.shape == (48, 64)
        assert (lr_depth > 0).mean() > 0.4
        assert np.allclose(result.depth, lr_depth, atol=1e-4)


def test_a_walk_becomes_a_bag_and_a_picture(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rosbags", reason="needs the extra bags")
    from bridgenet_infer.bags.command import main as bridgenet_bag
    from examples import bag_picture
    from simulation.record_walk import DEPTH, RGB, render_walk, write_bag

    camera = default_camera(64, 48)
    frames = list(render_walk(camera, 3))
    assert all(rgb.shape == (48, 64, 3) and depth.shape == (12, 16) for rgb, depth in frames)
    assert all(500 < np.median(depth[depth > 0]) < 4000 for _, depth in frames)
    assert not np.array_equal(frames[0][0], frames[1][0])
    write_bag(tmp_path / "walk", frames, camera)
    with pytest.raises(FileExistsError):
        write_bag(tmp_path / "walk", frames, camera)
    command = [str(tmp_path / "walk"), "-o", str(tmp_path / "up"), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    assert bridgenet_bag(command) == 0
    read = bag_picture.read_frames(tmp_path / "up", RGB, DEPTH)
    assert len(read) == 3
    for (rgb, depth), (read_rgb_, read_depth_, ours) in zip(frames, read, strict=True):
        assert np.array_equal(rgb, read_rgb_)
        assert np.array_equal(depth, read_depth_)
        assert ours.shape == (48, 64)
        assert ours.dtype == np.uint16
    target = tmp_path / "walk.png"
    monkeypatch.setattr(sys, "argv", ["bag_picture", str(tmp_path / "up"), "-o", str(target), "--frames", "0", "2"])
    bag_picture.main()
    assert read_rgb(target).shape == (2 * 48 + bag_picture.GAP, 3 * 64 + 2 * bag_picture.GAP, 3)
    with pytest.raises(ValueError, match="bridgenet-bag writes it"):
        bag_picture.read_frames(tmp_path / "walk", RGB, DEPTH)
