"""Point clouds: what a reader gets by the layout that the message tells, and when they are made."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import depth_to_points, pixel_rays
from bridgenet_infer.lens import Lens
from bridgenet_infer.ros.messages import image_fields
from bridgenet_infer.ros.node import DepthNode, PointsTopic
from bridgenet_infer.ros.points import Clouds
from simulation.raycast import default_camera
from testing.clouds import plain_cloud, read_cloud

MATRIX = default_camera(64, 48).matrix


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("lens", [None, Lens(np.array([0.1, -0.05, 0.001, 0.0, 0.0]))])
def test_the_bytes_are_the_points_of_the_geometry(dtype: type, lens: Lens | None, rng: np.random.Generator) -> None:
    depth = rng.integers(500, 4000, (48, 64)).astype(np.uint16)
    depth[3:5] = 0
    metres = np.where(depth > 0, depth / 1000, np.nan)
    colours = rng.integers(0, 256, (48, 64, 3), np.uint8)
    given = depth if dtype is np.uint16 else metres.astype(np.float32)
    fields = Clouds().fields(given, colours, MATRIX, lens)
    points, found = read_cloud(plain_cloud(fields))
    rays = pixel_rays(depth.shape, MATRIX, lens)
    expected = depth_to_points(metres, MATRIX) if lens is None else rays * metres[..., None]
    assert np.allclose(points, expected, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert np.isnan(points[3:5]).all()
    assert np.array_equal(found, colours)
    assert fields["is_dense"] is False


@pytest.mark.parametrize(
    "grey", [np.full((48, 64), 200, np.uint8), np.full((48, 64), 200 * 257, np.uint16), np.full((48, 64), 0.787)]
)
def test_grey_images_of_any_depth_are_grey_points(grey: Array) -> None:
    colours = read_cloud(plain_cloud(Clouds().fields(np.ones((48, 64), np.float32), grey, MATRIX, None)))[1]
    assert np.array_equal(colours, np.full((48, 64, 3), 200))


def test_another_camera_has_other_rays() -> None:
    clouds, depth, grey = Clouds(), np.ones((48, 64), np.float32), np.zeros((48, 64), np.uint8)
    clouds.fields(depth, grey, MATRIX, None)
    other = default_camera(64, 48).matrix * [[2], [2], [1]]
    points = read_cloud(plain_cloud(clouds.fields(depth, grey, other, None)))[0]
    assert np.allclose(points, depth_to_points(depth, other))


def test_clouds_are_made_for_those_who_wait_and_need_a_camera() -> None:
    warnings: list[str] = []
    clouds: list[Any] = []
    wanted = [False]
    topic = PointsTopic(lambda: wanted[0], lambda *cloud: clouds.append(cloud))
    node = DepthNode(
        lambda rgb, depth, **options: np.ones((48, 64), np.float32), lambda output: None, warnings.append,
        wanted=lambda: False, points=topic,
    )  # fmt: skip

    def give(stamp: int, count: str) -> Any:
        header = SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0), frame_id="camera")
        node.on_image("rgb", SimpleNamespace(header=header, **image_fields(np.zeros((48, 64, 3), np.uint8))))
        node.on_image("depth", SimpleNamespace(header=header, **image_fields(np.ones((12, 16), np.float32))))
        while node.report().values[count] != str(stamp):
            time.sleep(0.005)
        return header.stamp

    give(1, "not asked for")
    wanted[0] = True
    give(1, "published")
    info = SimpleNamespace(header=SimpleNamespace(frame_id="camera"), width=64, height=48, k=MATRIX.ravel(), d=[],
                           p=[0.0] * 12)  # fmt: skip
    node.on_camera_info("rgb", info)
    stamp = give(2, "published")
    node.close()
    assert warnings == ["no points: the CameraInfo of rgb has not come"]
    ((fields, *where),) = clouds
    assert where == [stamp, "camera"]
    assert np.allclose(read_cloud(plain_cloud(fields))[0], depth_to_points(np.ones((48, 64)), MATRIX))
