"""The benchmarks of wide ranges measure far depth and near sides where they are."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.baselines import bicubic
from benchmarks.accuracy.wide_edges import Street, near_sides
from benchmarks.accuracy.wide_edges import measure as measure_wide_edges
from benchmarks.accuracy.wide_range import corner, elsewhere
from benchmarks.accuracy.wide_range import measure as measure_wide_range
from datasets.scenes import RgbdScene


def test_far_depth_is_measured_where_it_is_not() -> None:
    far = corner((20, 30))
    assert far.mean() == pytest.approx(0.03, abs=0.005)
    mask = elsewhere(far, 4)
    kept_rows, kept_columns = np.flatnonzero(mask.all(1)), np.flatnonzero(mask.all(0))
    assert kept_rows[0] == 4 * (3 + 6)  # the patch has 3 x 5 samples, six more on each side are left out
    assert kept_columns[-1] == 4 * (30 - 5 - 6) - 1
    rng = np.random.default_rng(0)
    depth = np.kron(rng.integers(40, 200, (8, 8)), np.ones((40, 40), int)).astype(np.uint8)
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    scene = RgbdScene("blocks", rgb, depth, depth > 0, "disparity", "px", 1.0, Path("made"))

    def leaks(rgb: np.ndarray, lr: np.ndarray, scale: int) -> np.ndarray:
        return bicubic(lr, rgb.shape[:2]) + 0.01 * lr.mean()

    plain, worse = (measure_wide_range(m, [scene], 8) for m in (lambda g, d, s: bicubic(d, g.shape[:2]), leaks))
    assert {value for name, value in plain.items() if name.startswith("ratio")} == {1.0}
    assert 1 < worse["ratio, 5 times"] < worse["ratio, 20 times"] < worse["ratio, 100 times"]
    assert worse["ratio, sky"] > 1
    assert worse["room"] < 100  # millimetres


def test_near_sides_are_before_what_is_four_times_as_far() -> None:
    depth = np.full((64, 96), 2000, np.float32)
    depth[:, 40:] = 9000
    depth[:, 80:] = 30000  # less than 1:4
    columns = np.flatnonzero(near_sides(depth, 4).any(0))
    assert columns.tolist() == list(range(40 - 3 * 4, 40))
    assert not near_sides(depth[:, 50:], 4).any()


def test_wide_edges_tell_a_bleeding_sky_from_a_sharp_one() -> None:
    depth = np.full((64, 96), 2000, np.float32)
    depth[:, 44:] = 0  # nothing is seen there, or the sky
    rgb = np.zeros((64, 96, 3), np.uint8)
    methods = {
        "exact": lambda rgb, lr, scale: np.where(np.arange(96) < 44, 2000.0, lr.max()) * np.ones((64, 1)),
        "bicubic": lambda rgb, lr, scale: bicubic(lr, rgb.shape[:2]),
    }
    for kernel in ("as the examples", "block means"):
        figures = measure_wide_edges(methods, [Street(rgb, depth, 1e6)], 8, kernel)
        assert figures["exact"] == 0 < 100 < figures["bicubic"]
        assert 0 < figures["near edges"] <= 100 * 24 / 96
