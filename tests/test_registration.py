"""Registration against the renderer's exact answer, back-projection and intrinsics."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.geometry import depth_to_points, scale_intrinsics
from bridgenet_infer.registration import register_depth
from simulation.raycast import Camera, build_scene, default_camera, render


def test_registered_depth_is_what_the_other_camera_sees() -> None:
    scene = build_scene(3000)
    depth_camera, rgb_camera = default_camera(320, 240), Camera(320, 240, 300.0, 300.0, 161.0, 118.0)
    pose = trimesh.transformations.euler_matrix(0.01, -0.02, 0.005)
    pose[:3, 3] = [0.05, -0.01, 0.0]  # of the RGB camera in the depth camera's frame
    _, raw = render(scene, depth_camera)
    _, exact = render(scene, rgb_camera, pose)
    registered = register_depth(raw, depth_camera.matrix, rgb_camera.matrix, np.linalg.inv(pose), (240, 320), 1.0)
    seen = (registered > 0) & (exact > 0)
    error = np.abs(registered - exact)[seen]
    assert seen.mean() > 0.9
    assert np.median(error) < 0.005  # metres: half a sample on slanted surfaces
    assert (error > 0.1).mean() < 0.04  # samples at edges belong to one side or the other
    behind = seen & (registered > exact + 0.1)
    assert behind.mean() < 0.01  # no see-through


def test_coarse_samples_are_the_mean_of_one_surface() -> None:
    camera = default_camera(320, 240)
    rng = np.random.default_rng(0)
    depth = 2 + rng.normal(0, 0.01, (240, 320))
    depth[:, 165:] = 1 + rng.normal(0, 0.01, (240, 155))  # three of eight columns
    depth[rng.random(depth.shape) < 0.1] = 0
    registered = register_depth(depth, camera.matrix, camera.matrix, np.eye(4), (240, 320), 8)
    assert (registered > 0).all()  # lost samples make no holes
    assert np.abs(registered[:, :21] - 2).max() < 0.02
    assert np.abs(registered[:, 21:] - 1).max() < 0.02
    assert abs(registered[:, :20].mean() - 2) < 1e-3
    assert registered[:, :20].std() < 0.002


def test_a_pixel_without_centre_needs_most_of_its_area() -> None:
    camera = default_camera(32, 32)
    depth = np.zeros((32, 32), np.uint16)
    depth[:, :3] = 1000  # three of the eight columns of the first pixels
    registered = register_depth(depth, camera.matrix, camera.matrix, np.eye(4), (32, 32), 8)
    assert (registered == 0).all()
    depth[:, :8] = 1000
    depth[3::8, 3:5] = depth[4::8, 3:5] = 0  # the four about each centre
    registered = register_depth(depth, camera.matrix, camera.matrix, np.eye(4), (32, 32), 8)
    assert (registered[:, 0] == 1000).all()
    assert (registered[:, 1:] == 0).all()


def test_an_object_hides_what_lies_behind_it() -> None:
    camera = default_camera(160, 120)
    depth = np.full((120, 160), 3.0, np.float32)
    depth[40:80, 60:100] = 1.0
    motion = np.eye(4)
    motion[0, 3] = -0.1
    registered = register_depth(depth, camera.matrix, camera.matrix, motion, (120, 160), 1.0)
    left = 60 - round(0.1 * camera.fx)
    assert (registered[45:75, left + 2 : left + 38] == 1.0).all()
    shadow = registered[45:75, left + 42 : 100 - round(0.1 * camera.fx / 3) - 2]
    assert (shadow == 0).all()  # uncovered background was never measured


@given(st.sampled_from([np.uint16, np.float32, np.float64]), st.sampled_from([1, 2, 4]), st.integers(0, 1000))
def test_without_motion_depth_stays_where_it_is(dtype: type, scale: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = (rng.uniform(500, 4000, (24, 32))).astype(dtype)
    depth[rng.random(depth.shape) < 0.2] = 0
    camera = default_camera(32 * scale, 24 * scale)
    coarse = scale_intrinsics(camera.matrix, 1 / scale)
    registered = register_depth(depth, coarse, camera.matrix, np.eye(4), (24 * scale, 32 * scale), scale)
    assert registered.dtype == depth.dtype
    measured = depth > 0
    # a hole is covered by a twentieth of its neighbours at most: centres never
    assert np.array_equal(registered[measured] > 0, np.ones(measured.sum(), bool))
    assert np.allclose(registered[measured], depth[measured], rtol=1e-6)
    assert (registered[~measured] == 0).all()


def test_all_holes_and_points_behind_the_camera_give_holes() -> None:
    matrix = default_camera(16, 12).matrix
    empty = register_depth(np.full((12, 16), np.nan, np.float32), matrix, matrix, np.eye(4), (12, 16), 1)
    assert (empty == 0).all()
    behind = np.eye(4)
    behind[2, 3] = -5
    assert (register_depth(np.ones((12, 16)), matrix, matrix, behind, (12, 16), 1) == 0).all()


def test_distortion_is_undone_and_applied() -> None:
    camera = default_camera(160, 120)
    matrix, bent = camera.matrix, np.array([0.1, -0.05, 0.001, 0.0, 0.0])
    y, x = np.mgrid[:120, :160]
    depth = 2 + 0.002 * x + 0.001 * y
    same = register_depth(depth, matrix, matrix, np.eye(4), (120, 160), 1, depth_distortion=bent, rgb_distortion=bent)
    assert np.abs(same - depth)[same > 0].max() < 0.004
    motion = np.eye(4)
    motion[:3, 3] = [0.1, -0.05, 0.2]
    none, zeros = (
        register_depth(depth, matrix, matrix, motion, (120, 160), 2, rgb_distortion=rgb) for rgb in (None, np.zeros(5))
    )
    assert np.array_equal(none, zeros)
    straight = register_depth(depth, matrix, matrix, np.eye(4), (120, 160), 1, depth_distortion=bent)
    assert np.abs(straight - depth)[5:-5, 5:-5].max() > 0.004


def test_points_project_back_and_intrinsics_scale() -> None:
    camera = default_camera(64, 48)
    depth = np.random.default_rng(0).uniform(1, 3, (48, 64))
    points = depth_to_points(depth, camera.matrix)
    pixels = points @ camera.matrix.T
    y, x = np.mgrid[:48, :64]
    assert np.allclose(pixels[..., 0] / pixels[..., 2], x)
    assert np.allclose(pixels[..., 1] / pixels[..., 2], y)
    assert np.allclose(points[..., 2], depth)
    assert np.allclose(scale_intrinsics(camera.matrix, 4), default_camera(256, 192).matrix)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"depth": np.ones(3)}, "depth must be"), ({"depth": np.ones((4, 4), bool)}, "depth must be"),
     ({"rgb_from_depth": 2 * np.eye(4)}, "rotation"), ({"rgb_from_depth": np.full((4, 4), np.inf)}, "rgb_from_depth"),
     ({"depth_matrix": np.full((3, 3), np.nan)}, "depth_matrix"), ({"rgb_matrix": np.eye(4)}, "rgb_matrix"),
     ({"rgb_matrix": np.zeros((3, 3))}, "rgb_matrix"), ({"rgb_size": (0, 5)}, "rgb_size"), ({"scale": 0}, "scale"),
     ({"scale": np.nan}, "scale")],
)  # fmt: skip
def test_wrong_arguments_are_named(change: dict[str, object], message: str) -> None:
    arguments = {"depth": np.ones((4, 4)), "depth_matrix": np.eye(3), "rgb_matrix": np.eye(3),
                 "rgb_from_depth": np.eye(4), "rgb_size": (4, 4), "scale": 1}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        register_depth(**{**arguments, **change})  # type: ignore[arg-type]
