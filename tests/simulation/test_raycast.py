"""The ray-caster against closed forms."""

import numpy as np
import pytest

trimesh = pytest.importorskip("trimesh", reason="the renderer needs the extra 'train'")
pytest.importorskip("embreex", reason="the renderer needs the extra 'train'")

from simulation.raycast import SceneBuilder, build_scene, default_camera, render  # noqa: E402


def test_a_slanted_plane_has_its_closed_form_depth() -> None:
    builder, camera = SceneBuilder(0), default_camera(96, 64)
    turn = trimesh.transformations.rotation_matrix(0.5, [0, 1, 0])
    builder.add(trimesh.creation.box([9, 9, 0.2]), [0, 0, 3], builder.material(0.2), turn)
    _, depth = render(builder.scene(), camera)
    rays = camera.rays().reshape(64, 96, 3)
    normal = turn[:3, :3] @ [0, 0, -1]
    front = np.array([0, 0, 3]) + 0.1 * normal
    expected = (normal @ front) / (rays @ normal)
    assert np.abs(depth - expected).max() < 1e-4


def test_sphere_depth_and_empty_background() -> None:
    builder, camera = SceneBuilder(0), default_camera(96, 64)
    builder.add(trimesh.creation.icosphere(6, 0.5), [0, 0, 2], builder.material(0.1))
    _, depth = render(builder.scene(), camera)
    rays = camera.rays()
    a, b, c = (rays**2).sum(1), -2 * rays[:, 2] * 2, 4 - 0.25
    inside = (b**2 - 4 * a * c).reshape(64, 96)
    exact = ((-b - np.sqrt(np.maximum(b**2 - 4 * a * c, 0))) / (2 * a)).reshape(64, 96)
    clearly = inside > 0.3
    assert np.abs(depth - exact)[clearly].max() < 2e-3  # a mesh of 82k triangles, not a sphere
    assert not depth[inside < -0.05].any()


def test_scenes_repeat_and_their_edges_register() -> None:
    camera = default_camera(160, 120)
    (rgb, depth), (again, depth_again) = (render(build_scene(5), camera, seed=5) for _ in range(2))
    assert np.array_equal(rgb, again)
    assert np.array_equal(depth, depth_again)
    other, _ = render(build_scene(6), camera, seed=6)
    assert not np.array_equal(rgb, other)
    grey = rgb.astype(float).mean(2)
    step = np.abs(np.diff(depth, axis=1)) > 0.1
    contrast = np.abs(np.diff(grey, axis=1))
    assert contrast[step].mean() > 2.5 * contrast[~step].mean()
    shifted = np.roll(step, 4, axis=1)
    assert contrast[step].mean() > 1.5 * contrast[shifted & ~step].mean()
