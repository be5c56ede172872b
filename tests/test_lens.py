"""Lenses there and back: exact inside the radius where their model is monotonic, nothing beyond it."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.geometry import intrinsic_matrix, pixel_rays
from bridgenet_infer.lens import COUNTS, Lens
from bridgenet_infer.registration import register_depth

WIDE = np.array([18.4, 11.2, 2.1e-4, -8.5e-5, 0.52, 18.7, 17.5, 3.1])  # a time-of-flight camera of 120 degrees
TURNING = np.array([-0.3, 0.05, 0.0, 0.0, -0.02])  # turns round at about 50 degrees
FISHEYE = np.array([0.02, -0.01, 0.004, -0.001])


def fan(most: float, count: int = 2000) -> np.ndarray:
    """Points of the plane z = 1 up to an angle in degrees."""
    rng = np.random.default_rng(0)
    angle, turn = np.radians(rng.uniform(0, most, count)), rng.uniform(0, 2 * np.pi, count)
    return np.tan(angle)[:, None] * np.stack((np.cos(turn), np.sin(turn)), 1)


@pytest.mark.parametrize(
    ("lens", "most"), [(Lens(WIDE), 62), (Lens(TURNING), 40), (Lens(FISHEYE, True), 85), (Lens(np.zeros(5)), 80)]
)
def test_there_and_back_is_exact(lens: Lens, most: float) -> None:
    points = fan(most)
    back = lens.undistort(lens.distort(points))
    assert np.isfinite(back).all()
    error = np.abs(lens.distort(back) - lens.distort(points)).max()
    assert error < 1e-7  # 1e-4 pixels at a focal length of 1000


def test_places_are_opencvs() -> None:
    points, flat = fan(60), np.zeros(3)
    solid = np.column_stack((points, np.ones(len(points))))[:, None]
    expected = cv2.projectPoints(solid, flat, flat, np.eye(3), WIDE)[0][:, 0]
    assert np.allclose(Lens(WIDE).distort(points), expected, atol=1e-12)
    expected = cv2.fisheye.distortPoints(points[:, None], np.eye(3), FISHEYE)[:, 0]
    assert np.allclose(Lens(FISHEYE, True).distort(points), expected, atol=1e-12)


def test_beyond_the_turn_there_is_nothing() -> None:
    lens, points = Lens(TURNING), fan(80)
    radius = np.hypot(*points.T)
    placed = lens.distort(points)
    assert np.array_equal(np.isfinite(placed).all(1), radius <= lens.reach)
    assert 40 < np.degrees(np.arctan(lens.reach)) < 60
    assert np.nanmax(np.hypot(*placed.T)) <= lens.edge + 1e-9
    assert np.isnan(lens.undistort(np.array([[lens.edge + 0.01, 0.0]]))).all()


@given(st.integers(0, 10**6), st.sampled_from(COUNTS))
def test_any_number_of_coefficients_is_inverted_or_left_out(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = np.array([0.4, 0.2, 0.003, 0.003, 0.05, 0.3, 0.1, 0.02, 0.002, 0.002, 0.002, 0.002, 0.02, 0.02])
    lens = Lens(rng.uniform(-1, 1, count) * sizes[:count])
    places = rng.uniform(-1.2, 1.2, (300, 2))
    back = lens.undistort(places)
    found = np.isfinite(back).all(1)
    assert np.isfinite(back[found]).all()
    assert np.abs(lens.distort(back[found]) - places[found]).max(initial=0) < 1e-6
    assert (np.hypot(*back[found].T) <= lens.reach).all()


@pytest.mark.parametrize("count", COUNTS)
def test_trailing_zeros_change_nothing(count: int) -> None:
    padded = np.zeros(count)
    padded[:4] = TURNING[:4]
    points = fan(40)
    assert np.allclose(Lens(padded).distort(points), Lens(TURNING[:4]).distort(points), atol=1e-12)


@pytest.mark.parametrize(("values", "fisheye"), [(np.ones(3), False), (np.ones(5), True), (np.full(4, np.nan), False)])
def test_lenses_that_are_none_are_refused(values: np.ndarray, fisheye: bool) -> None:
    with pytest.raises(ValueError, match="finite coefficients"):
        Lens(values, fisheye)


def test_a_wide_camera_loses_no_pixel() -> None:
    matrix, lens = intrinsic_matrix(250.0, 250.0, 255.5, 255.5), Lens(WIDE)
    rays = pixel_rays((512, 512), matrix, lens)
    angle = np.degrees(np.arctan(np.hypot(rays[..., 0], rays[..., 1])))
    y, x = np.mgrid[:512, :512]
    inside = np.hypot(x - 255.5, y - 255.5) < 250 * lens.edge * 0.999
    assert np.isfinite(rays[inside]).all()
    assert np.nanmax(angle) > 55


def test_ghosts_of_a_lens_that_turns_round_are_left_out() -> None:
    matrix = intrinsic_matrix(60.0, 60.0, 79.5, 59.5)
    wide = intrinsic_matrix(20.0, 20.0, 79.5, 59.5)  # up to 76 degrees
    depth = np.full((120, 160), 1000, np.uint16)
    reach = np.hypot(*np.meshgrid((np.arange(160) - 79.5) / 20, (np.arange(120) - 59.5) / 20))
    depth[reach > Lens(TURNING).reach] = 5000  # which only a ghost can show
    seen = register_depth(depth, wide, matrix, np.eye(4), (120, 160), 1, rgb_distortion=TURNING)
    assert set(np.unique(seen)) == {0, 1000}
