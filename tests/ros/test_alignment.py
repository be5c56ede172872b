"""Depth of another camera brought onto RGB from frame_ids, CameraInfo and static transforms, and refused without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.lens import Lens
from bridgenet_infer.registration import register_depth
from bridgenet_infer.ros.alignment import Alignment, camera_of, is_rectified
from bridgenet_infer.ros.messages import image_fields
from bridgenet_infer.ros.transforms import StaticTransforms, rigid
from simulation.raycast import Camera, build_scene, default_camera, render

RGB_CAMERA, DEPTH_CAMERA = Camera(160, 120, 150.0, 150.0, 81.0, 58.0), default_camera(80, 60)


def image(array: np.ndarray, frame_id: str) -> Any:
    return SimpleNamespace(header=SimpleNamespace(stamp=0, frame_id=frame_id), **image_fields(array))


def info(camera: Camera, frame_id: str, ros1: bool = False, **changes: Any) -> Any:
    matrix = camera.matrix
    values = {"k": matrix.ravel(), "d": np.zeros(5), "p": np.pad(matrix, ((0, 0), (0, 1))).ravel()}
    values |= {name: changes.pop(name) for name in tuple(values) if name in changes}
    fields = {"width": camera.width, "height": camera.height, "distortion_model": "plumb_bob", **changes}
    names = {name.upper() if ros1 else name: value for name, value in values.items()}
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame_id), **fields, **names)


def transforms(*links: tuple[str, str, np.ndarray]) -> Any:
    """A tf2_msgs/TFMessage of (parent, child, points of the child to the parent)."""
    message = []
    for parent, child, pose in links:
        w, x, y, z = trimesh.transformations.quaternion_from_matrix(pose)
        turn, place = SimpleNamespace(x=x, y=y, z=z, w=w), SimpleNamespace(x=pose[0, 3], y=pose[1, 3], z=pose[2, 3])
        transform = SimpleNamespace(translation=place, rotation=turn)
        message.append(SimpleNamespace(
            header=SimpleNamespace(frame_id=parent), child_frame_id=child, transform=transform
        ))  # fmt: skip
    return SimpleNamespace(transforms=message)


def pose_of(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pose = trimesh.transformations.euler_matrix(*rng.uniform(-3, 3, 3))
    pose[:3, 3] = rng.uniform(-1, 1, 3)
    return pose


def aligned(rgb_from_depth: np.ndarray, ros1: bool = False) -> Alignment:
    """An alignment that knows both cameras; their frames hang below a common one, that of RGB by two links."""
    mount, rgb_in_mount, base = pose_of(1), pose_of(2), pose_of(3)
    alignment = Alignment(rgb_topic="/rgb/image_raw", depth_topic="/depth/image_raw")
    alignment.infos = {"rgb": info(RGB_CAMERA, "rgb", ros1), "depth": info(DEPTH_CAMERA, "depth", ros1)}
    alignment.transforms.add(transforms(("base", "mount", mount), ("world", "/base", base)))
    alignment.transforms.add(transforms(
        ("mount", "rgb", rgb_in_mount), ("/base", "/depth", mount @ rgb_in_mount @ rgb_from_depth)
    ))  # fmt: skip
    return alignment


@pytest.mark.parametrize("ros1", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_depth_of_another_frame_is_what_the_rgb_camera_sees(dtype: type, ros1: bool) -> None:
    scene, motion = build_scene(3000), trimesh.transformations.euler_matrix(0.01, -0.02, 0.005)
    motion[:3, 3] = [0.05, -0.01, 0.002]  # of the depth camera in the RGB camera's frame
    colours, exact = render(scene, RGB_CAMERA)
    _, metres = render(scene, DEPTH_CAMERA, motion)
    metres[:5, :7] = np.nan if dtype is np.float32 else 0
    raw = metres if dtype is np.float32 else (metres * 1000 + 0.5).astype(np.uint16)
    rgb, depth = aligned(motion, ros1)(image(colours, "rgb"), image(raw, "/depth"))
    assert np.array_equal(rgb, colours)
    assert depth.dtype == dtype
    assert depth.shape == (60, 80)  # focal lengths 150 and 69: by 2
    unit = 1000 if dtype is np.uint16 else 1
    in_unit = rigid(motion[:3, 3] * unit, quaternion(motion))
    expected = register_depth(raw, DEPTH_CAMERA.matrix, RGB_CAMERA.matrix, in_unit, (120, 160), 2)
    holes = expected == 0
    assert np.allclose(depth[~holes], expected[~holes], atol=1 if unit > 1 else 1e-5)
    assert (np.isnan(depth) if dtype is np.float32 else depth == 0)[holes].all()
    seen = ~holes & (exact[::2, ::2] > 0)
    assert seen.mean() > 0.8
    assert np.median(np.abs(depth / unit - exact[::2, ::2])[seen]) < 0.01


def quaternion(pose: np.ndarray) -> np.ndarray:
    return np.roll(trimesh.transformations.quaternion_from_matrix(pose), -1)


def test_registered_depth_comes_as_it_is() -> None:
    colours, depth = np.zeros((48, 64, 3), np.uint8), np.full((12, 16), 700, np.uint16)
    rgb = image(colours, "camera")
    assert np.array_equal(Alignment()(rgb, image(depth, "/camera"))[1], depth)
    assert np.array_equal(Alignment(registered=True)(rgb, image(depth, "elsewhere"))[1], depth)


@pytest.mark.parametrize(
    ("dtype", "marker", "hole"),
    [(np.uint16, 65535, 0), (np.uint16, 65535.0, 0), (np.float32, -1, np.nan), (np.float32, 0.1, np.nan)],
)
def test_markers_become_holes(dtype: type, marker: float, hole: float) -> None:
    depth = np.full((12, 16), 700, dtype)
    depth[3:6] = marker
    rgb, message = image(np.zeros((48, 64, 3), np.uint8), "camera"), image(depth, "camera")
    expected = np.where(depth == depth[3, 0], dtype(hole), depth)
    assert np.array_equal(Alignment(invalid=marker)(rgb, message)[1], expected, equal_nan=True)


@pytest.mark.parametrize("marker", [-1, 0.5, 10**6])
def test_markers_that_the_dtype_cannot_hold_mark_nothing(marker: float) -> None:
    raw = np.full((60, 80), 700, np.uint16)
    rgb, depth = image(np.zeros((120, 160, 3), np.uint8), "rgb"), image(raw, "depth")
    marked, plain = aligned(np.eye(4)), aligned(np.eye(4))
    marked.invalid = marker
    assert np.array_equal(marked(rgb, depth)[1], plain(rgb, depth)[1])


def test_what_is_missing_is_named() -> None:
    alignment = Alignment()
    with pytest.raises(ValueError, match=r"'d', RGB in 'r'.* of rgb and .* of depth and a chain .* say 'registered'"):
        alignment.motion("r", "d")
    alignment.infos["rgb"] = alignment.infos["depth"] = info(RGB_CAMERA, "r")
    alignment.transforms.add(
        transforms(("r", "elsewhere", np.eye(4)), ("ring", "d", np.eye(4)), ("d", "ring", np.eye(4)))
    )
    with pytest.raises(ValueError, match="to register one to the other a chain of static transforms"):
        alignment.motion("r", "d")
    alignment.extrinsics = pose_of(0)
    assert np.array_equal(alignment.motion("r", "d"), pose_of(0))  # type: ignore[arg-type]


def test_depth_that_misses_the_image_is_refused() -> None:
    away = np.eye(4)
    away[0, 3] = 1000.0
    with pytest.raises(ValueError, match="no depth sample falls into the RGB image"):
        aligned(away)(image(np.zeros((120, 160, 3), np.uint8), "rgb"), image(np.ones((60, 80), np.float32), "depth"))


@pytest.mark.parametrize(
    ("scale", "focal", "rows"), [("auto", 70, 60), ("auto", 1.0, 8), ("auto", 900.0, 60), (5, 70, 24)]
)
def test_the_scale_is_the_ratio_of_focal_lengths_or_as_told(scale: Any, focal: float, rows: int) -> None:
    alignment = aligned(np.eye(4))
    alignment.scale = scale
    alignment.infos["depth"] = info(Camera(80, 60, focal, focal, 40, 30), "depth")
    colours, raw = np.zeros((120, 160, 3), np.uint8), np.ones((60, 80), np.float32)
    assert len(alignment(image(colours, "rgb"), image(raw, "depth"))[1]) == rows


def test_transforms_go_along_the_tree_and_the_last_word_counts() -> None:
    tree = StaticTransforms()
    tree.add(transforms(("a", "b", pose_of(0)), ("a", "c", np.eye(4))))
    tree.add(transforms(("a", "c", pose_of(1)), ("c", "d", pose_of(2))))
    broken = transforms(("a", "b", np.eye(4)))
    broken.transforms[0].transform.rotation.w = 0.0
    tree.add(broken)
    assert np.allclose(tree.between("b", "d"), np.linalg.inv(pose_of(0)) @ pose_of(1) @ pose_of(2))  # type: ignore[arg-type]
    assert np.allclose(tree.between("d", "a"), np.linalg.inv(pose_of(1) @ pose_of(2)))  # type: ignore[arg-type]
    assert np.array_equal(tree.between("unknown", "unknown"), np.eye(4))  # type: ignore[arg-type]
    assert tree.between("b", "unknown") is None


@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_motions_are_those_of_their_quaternions(seed: int, length: float) -> None:
    pose = pose_of(seed)
    assert np.allclose(rigid(pose[:3, 3], quaternion(pose) * length), pose)


def test_motions_that_are_none_are_refused() -> None:
    for place, turn in (((0, 0, 0), (0, 0, 0, 0)), ((np.nan, 0, 0), (0, 0, 0, 1)), ((0, 0, 0), (np.inf, 0, 0, 1))):
        with pytest.raises(ValueError, match="no rigid motion"):
            rigid(place, turn)


def test_a_camera_is_k_and_d_or_p_at_the_images_size() -> None:
    bent, other = np.array([0.1, -0.05, 0.001, 0.0, 0.0]), default_camera(160, 120)
    projection = np.pad(other.matrix, ((0, 0), (0, 1))).ravel()
    message = info(RGB_CAMERA, "rgb", d=bent, p=projection)
    matrix, distortion = camera_of(message, (120, 160, 3), rectified=False)
    assert np.array_equal(matrix, RGB_CAMERA.matrix)
    assert distortion == Lens(bent)
    matrix, distortion = camera_of(message, (60, 80), rectified=True)
    assert np.allclose(matrix, default_camera(80, 60).matrix)
    assert distortion is None
    names = {"image_rect": True, "/a/image_rect_color/compressed": True, "/rect/image_raw": False, "direct": False}
    assert {name: is_rectified(name) for name in names} == names


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"k": np.zeros(9)}, "no calibration"), ({"distortion_model": "equidistant", "d": np.ones(5)}, "'equidistant'"),
     ({"d": np.ones(3)}, "3 coefficients"), ({"height": 90}, "is for 160 x 90, the image has 160 x 120"),
     ({"roi": SimpleNamespace(x_offset=3, y_offset=0)}, "region of interest")],
)  # fmt: skip
def test_cameras_that_cannot_be_used_are_explained(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"CameraInfo of 'rgb' .*{text}"):
        camera_of(info(RGB_CAMERA, "rgb", **changes), (120, 160, 3), rectified=False)


@pytest.mark.parametrize(
    ("model", "count"),
    [("plumb_bob", 4), ("plumb_bob", 8), ("plumb_bob", 14), ("rational_polynomial", 14), ("equidistant", 4)],
)
def test_models_keep_all_their_coefficients(model: str, count: int) -> None:
    bent = np.linspace(0.01, 0.02, count)
    _, lens = camera_of(info(RGB_CAMERA, "rgb", d=bent, distortion_model=model), (120, 160, 3), rectified=False)
    assert lens == Lens(bent, equidistant=model == "equidistant")
