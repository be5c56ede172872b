"""The arithmetic of expected errors, flying pixels and steadiness on inputs whose answers are known."""

import numpy as np

from benchmarks.accuracy.expected_error import PREDICTORS, Measured, calibration, sparsify
from benchmarks.accuracy.flying import View, flies, near_edges
from benchmarks.accuracy.steadiness import SPEED, lag, pass_plate
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.temporal import Temporal


def test_a_curve_falls_as_the_largest_errors_leave() -> None:
    error = np.concatenate([np.ones(900), np.full(100, 11.0)])
    curve = sparsify(error, error)
    assert np.isclose(curve[0], 2.0)
    assert np.isclose(curve[5], (900 + 50 * 11) / 950)
    assert np.allclose(curve[10:], 1.0)
    assert sparsify(error, -error)[90] > 10.9  # the wrong way round


def test_a_laplace_distribution_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    scale = np.exp(rng.uniform(-2, 3, 40_000))
    image = Measured(rng.exponential(scale), {PREDICTORS[0]: scale}, np.ones(40_000))
    found = calibration([image])
    assert np.allclose(found["ratio"], 1, atol=0.1)
    assert min(found["quanta"]) > 1
    assert np.all(np.diff(found["quanta"]) > 0)


def test_only_what_hangs_between_surfaces_flies() -> None:
    exact = np.full((40, 60), 2.0, np.float32)
    exact[:, 30:] = 3.0
    view = View(np.zeros((40, 60, 3), np.uint8), exact[::4, ::4], exact, 0.0)
    edges = near_edges(view, 4)
    assert np.array_equal(edges[0], np.abs(np.arange(60) - 29.5) < 5)
    depth = exact.copy()
    depth[5, 28], depth[6, 30] = 2.5, 2.0  # in mid-air, and on the other surface
    depth[7, 28] = 2.01
    assert np.argwhere(flies(depth, view, 4)).tolist() == [[5, 28]]


def test_a_plate_that_stays_behind_is_late(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = np.zeros((48, 160, 3), np.uint8), np.full((48, 160), 2.0, np.float32)
    passing = [pass_plate(rgb, depth, index) for index in range(8)]
    assert np.isclose(passing[1][1].min(), 1.7)
    assert np.argmax(passing[1][1][20] < 2) - np.argmax(passing[0][1][20] < 2) == SPEED
    plain, frozen = (lag([tiny_upsampler], passing, "shrunk_frame", 4, x) for x in (None, Temporal(0.01, 1e9)))
    assert frozen["tiny"][0] > plain["tiny"][0] + 0.1
