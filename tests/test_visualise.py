"""Depth and errors in colours: which end is bright, what is grey, and that a preview shows the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridgenet_infer.read import read_rgb
from bridgenet_infer.visualise import HOLE, colourise_depth, colourise_error, depth_span, error_limit
from bridgenet_infer.write import PREVIEW_PERCENTILES, write_preview

LEVELS = cv2.applyColorMap(np.array([[255, 127, 0]], np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]


def test_near_is_bright_in_rgb_order() -> None:
    depth = np.array([[1.0, 2.0, 4.0, np.nan, 0.0]])
    picture = colourise_depth(depth, (1.0, 4.0), logarithmic=True)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture[:, :3], LEVELS)  # 2 is halfway by its logarithm
    assert (picture[0, 3:] == HOLE).all()
    assert np.array_equal(colourise_depth(np.array([[1, 2, 3]], np.uint16), (1, 3)), LEVELS)
    assert np.array_equal(
        colourise_depth(np.array([[0, 1, 2, 3, 9]], np.uint16), (1, 3))[0, 3:, 0], [LEVELS[0, 2, 0]] * 2
    )


def test_disparity_has_its_near_end_first() -> None:
    assert np.array_equal(colourise_depth(np.array([[30, 20, 10]], np.uint8), (30, 10)), LEVELS)


def test_a_mask_decides_what_is_a_hole() -> None:
    depth = np.array([[0.0, 1.0, -1.0]])
    valid = np.array([[True, False, True]])
    picture = colourise_depth(depth, (-1.0, 1.0), valid)
    assert (picture[0, 1] == HOLE).all()
    assert np.array_equal(picture[0, [2, 0]], LEVELS[0, :2])
    far = colourise_depth(depth, (0.5, 1.0), valid, logarithmic=True)  # a logarithm of what has none
    assert np.array_equal(far[0, [0, 2]], LEVELS[0, [2, 2]])


@pytest.mark.parametrize("logarithmic", [False, True])
def test_constant_and_missing_depth_have_one_colour(logarithmic: bool) -> None:
    for value in (700, 0):
        depth = np.full((3, 4), value, np.uint16)
        picture = colourise_depth(depth, depth_span(depth), logarithmic=logarithmic)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1
    assert depth_span(np.zeros((3, 4))) == (1.0, 1.0)


def test_a_span_leaves_holes_and_outliers_out() -> None:
    depth = np.concatenate([np.arange(1.0, 101), [np.inf, np.nan, 0, 0]])
    assert depth_span(depth, percentiles=(0, 100)) == (1.0, 100.0)
    assert depth_span(depth) == pytest.approx((1.99, 99.01))
    assert depth_span(depth, depth == 7) == (7.0, 7.0)


def test_large_errors_are_bright() -> None:
    picture = colourise_error(np.array([[0.0, 2.5, 5.0, 10.0, np.nan]]), 5.0)
    brightness = picture[0, :3].sum(-1)
    assert (np.diff(brightness.astype(int)) > 0).all()
    assert np.array_equal(picture[0, 2], picture[0, 3])
    assert (picture[0, 4] == HOLE).all()
    assert error_limit(np.arange(101.0), np.ones(101, bool)) == 97
    assert error_limit(np.arange(101.0), np.zeros(101, bool)) == 0


def test_a_preview_is_depth_in_colours(tmp_path: Path, rng: np.random.Generator) -> None:
    depth = rng.integers(0, 5000, (20, 30)).astype(np.uint16)
    valid = depth > 500
    write_preview(tmp_path / "preview.png", depth, valid)
    expected = colourise_depth(depth, depth_span(depth, valid, PREVIEW_PERCENTILES), valid)
    assert np.array_equal(read_rgb(tmp_path / "preview.png"), expected)
