"""The benchmarks of registration, flicker, soak, overhead and steps count what they say."""

import mmap
import time

import numpy as np
import pytest

from benchmarks.accuracy.baselines import bicubic
from benchmarks.accuracy.flicker import measure_far_object
from benchmarks.accuracy.registration import METHODS, Rig, camera, measure, score, seen_by_depth_camera
from benchmarks.robots.overhead import frame, replicate, summary
from benchmarks.robots.overhead import measure as overhead
from benchmarks.robots.soak import FEEDS, soak
from benchmarks.runtime.steps import NETWORK, OUTSIDE, REST, STEPS, Ledger, make_pair
from benchmarks.runtime.steps import measure as measure_steps
from bridgenet_infer import DepthUpsampler
from simulation.raycast import build_scene
from testing.memory import resident_mb


def test_mistakes_holes_and_gaps_are_told_apart() -> None:
    truth = np.full((20, 20), 2.0)
    truth[:, 10:] = 1.0
    result = truth.copy()
    result[:2, 9] = 1.0  # before what is there, in the band along the edge
    result[1, 10] = 2.0  # behind it
    result[2, :4] = 0
    result[10:, :8] += 0.004
    in_view = np.ones((20, 20), bool)
    visible = in_view.copy()
    visible[2, :2] = False
    scores = score(result, truth, in_view, visible)
    assert scores["fattened %"] == pytest.approx(100 * 2 / 396)
    assert scores["through %"] == pytest.approx(100 * 1 / 396)
    assert scores["holes %"] == pytest.approx(1)
    assert scores["gaps %"] == pytest.approx(100 * 2 / 398)
    assert scores["bias mm"] > 0 == scores["median mm"]


def test_what_an_object_hides_is_in_view_but_not_visible() -> None:
    rig = Rig(camera(64, 48, 60, 0, 0), camera(64, 48, 60, 0, 0), 0.1)
    raw = np.full((48, 64), 2.0)
    raw[:, 30:34] = 0.5
    truth = np.full((48, 64), 2.0)  # the object taken away: what was behind it had not been seen
    in_view, visible = seen_by_depth_camera(truth, rig.rgb, raw, rig)
    assert in_view[24].sum() > visible[24].sum() > 0
    hidden = in_view[24] & ~visible[24]
    assert 4 <= hidden.sum() <= 6


def test_registration_beats_simpler_rules_under_noise() -> None:
    rig = Rig(camera(320, 240, 290, 1, -1), camera(320, 240, 262, -2, 2), 0.025)
    figures = measure([build_scene(4000)], rig, 4, noisy=True)
    assert list(figures) == list(METHODS)
    ours, least, last = figures.values()
    assert abs(ours["bias mm"]) < 1 < 10 < -least["bias mm"]
    assert ours["mean mm"] < 0.5 * last["mean mm"]
    assert ours["through %"] < 0.5 * last["through %"]
    assert ours["fattened %"] < 0.5 * least["fattened %"]


@pytest.mark.parametrize("feed", list(FEEDS))
def test_a_soak_accounts_for_every_frame(tiny_upsampler: DepthUpsampler, feed: str) -> None:
    run = soak(tiny_upsampler, 60, feed, warm_up=5)
    assert (run.submitted, run.unaccounted, run.failed) == (60, 0, 0)
    assert run.published == run.finished > 0
    assert run.in_order
    assert min(run.start_mb, run.middle_mb, run.end_mb) > 20
    assert (run.dropped == 0) == (feed == "blocking") or feed == "camera"


def test_the_resident_size_sees_what_is_kept() -> None:
    before = resident_mb()
    with mmap.mmap(-1, 40_000_000) as kept:  # an array may lie in memory that the process already holds
        kept.write(b"\1" * len(kept))
        assert resident_mb() - before > 0.8 * len(kept) / 1e6


def test_overhead_counts_what_lies_outside_the_network() -> None:
    pair = frame(48, 64)

    def slow(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return replicate(rgb, depth)

    times = overhead(slow, pair, rounds=2, frames=3)
    assert list(times) == ["direct", "DepthStream", "DepthNode"]
    assert all(values.shape == (2, 2) for values in times.values())
    clocks = [clock for values in times.values() for clock in values[:, 0]]
    assert 0.02 < min(clocks) < 1  # seconds; a busy machine may hold some of them up
    assert min(values[:, 1].min() for values in times.values()) < 0.02  # sleeping is no work
    figures = summary(np.array([[0.04, 0.5], [0.02, 0.7]]), np.array([[0.03, 0.2], [0.01, 0.2]]))
    assert list(figures.values()) == pytest.approx([20, 0.5, 0.625, 600])

    def fails(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        raise ValueError("no scale explains these shapes")

    with pytest.raises(ValueError, match="no scale"):
        overhead(fails, pair, rounds=1, frames=1)


def test_time_of_a_step_is_without_that_of_the_steps_within() -> None:
    ledger = Ledger()
    inner = ledger.timed("inner", lambda: time.sleep(0.05))

    def twice() -> None:
        time.sleep(0.02)
        inner()
        inner()

    ledger.timed("outer", twice)()
    assert ledger.seconds["inner"] >= 0.1
    assert 0.02 <= ledger.seconds["outer"] < 0.1


def test_every_step_of_a_call_is_seen(tiny_upsampler: DepthUpsampler) -> None:
    rgb, lr = make_pair((60, 80))
    assert (lr == 0).mean() == pytest.approx(0.1, abs=0.02)
    figures = measure_steps(tiny_upsampler, rgb, lr, 2)
    assert list(figures) == [*STEPS, REST, OUTSIDE]
    assert min(figures.values()) > 0
    assert figures[OUTSIDE] > max(value for name, value in figures.items() if name not in (NETWORK, OUTSIDE))


def test_a_far_object_makes_flicker_of_what_leaks() -> None:
    rgb, depth = np.zeros((160, 200, 3), np.uint8), np.full((160, 200), 2.0, np.float32)
    depth[:, 80:] = 3.0

    class Leaky(DepthUpsampler):
        name = "leaky"

        def __init__(self) -> None:
            pass

        def __call__(self, rgb: np.ndarray, lr: np.ndarray, scale: int) -> np.ndarray:  # type: ignore[override]
            return bicubic(lr, depth.shape) + lr.mean()

    figures = measure_far_object([Leaky()], rgb, depth, 4, 4)
    assert figures["bicubic"] == (0.0, 0.0)
    assert min(figures["leaky"]) > 100  # millimetres: far depth moves the mean by half a metre
