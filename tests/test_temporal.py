"""The temporal filter: steady where nothing moves, at once where something does, holes filled for a stated time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.stream import DepthStream
from bridgenet_infer.temporal import Temporal, TemporalFilter

NOISE = 0.01


def scene(size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A floor that rises from 1 to 2 metres, in front of it a box."""
    depth = np.tile(np.linspace(1, 2, size[1]), (size[0], 1))
    depth[12:30, 10:26] = 0.7
    return depth


def frames(rng: np.random.Generator, count: int = 16, dtype: str = "float32", unit: float = 1.0) -> list[np.ndarray]:
    noisy = [unit * (scene() + rng.normal(0, NOISE, scene().shape)) for _ in range(count)]
    return [(np.rint(x) if dtype.startswith(("u", "i")) else x).astype(dtype) for x in noisy]


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 1), ("float64", 1e-7), ("uint16", 1000), ("uint16", 100)])
def test_a_still_scene_is_steadier_and_no_farther_off(rng: np.random.Generator, dtype: str, unit: float) -> None:
    steady = TemporalFilter(Temporal())
    raw = frames(rng, 24, dtype, unit)
    filtered = [steady(each) for each in raw]
    before, after = (np.std(x[8:], axis=0).mean() for x in (raw, filtered))
    assert all(x.dtype == raw[0].dtype for x in filtered)
    assert np.array_equal(filtered[0], raw[0])
    assert after < 0.4 * before
    assert np.abs(filtered[-1] - unit * scene()).mean() < 0.5 * np.abs(raw[-1] - unit * scene()).mean()


def test_smoothing_of_one_changes_nothing(rng: np.random.Generator) -> None:
    steady = TemporalFilter(Temporal(smoothing=1))
    for each in frames(rng, 4):
        np.testing.assert_allclose(steady(each), each, rtol=1e-6)


def test_a_moving_edge_is_never_late_by_more_than_a_frame(rng: np.random.Generator) -> None:
    steady, exact = TemporalFilter(Temporal()), []
    for index in range(16):
        depth = np.full((48, 64), 1.5)
        depth[12:30, 2 + 3 * index : 14 + 3 * index] = 1.2
        exact.append(depth)
        result = steady((depth + rng.normal(0, NOISE, depth.shape)).astype(np.float32))
        near = [np.abs(result - each) < 6 * NOISE for each in exact[-2:]]
        assert np.logical_or.reduce(near).mean() > 0.999, index
        assert near[-1].mean() > 0.99, index


def test_what_approaches_slowly_is_followed(rng: np.random.Generator) -> None:
    steady = TemporalFilter(Temporal())
    for index in range(30):
        exact = scene() - 0.5 * NOISE * index
        result = steady((exact + rng.normal(0, NOISE, exact.shape)).astype(np.float32))
    assert np.abs((result - exact).mean()) < 2 * NOISE


@given(persistence=st.integers(0, 4), dtype=st.sampled_from(["float32", "uint16"]))
def test_a_hole_stays_filled_for_as_long_as_stated(persistence: int, dtype: str) -> None:
    rng = np.random.default_rng(5)
    steady = TemporalFilter(Temporal(persistence=persistence))
    for each in frames(rng, 6, dtype, 1000):
        before = steady(each)
    for index, each in enumerate(frames(rng, 6, dtype, 1000)):
        each[40:44, 30:40] = np.nan if dtype == "float32" else 0
        result = steady(each)
        hole = np.nan_to_num(result[40:44, 30:40]) == 0
        assert hole.all() if index >= persistence else not hole.any()
        if index < persistence:
            assert np.array_equal(result[40:44, 30:40], before[40:44, 30:40])
        assert (np.nan_to_num(result[:36]) > 0).all()


def test_beside_something_that_moves_no_hole_is_filled(rng: np.random.Generator) -> None:
    steady = TemporalFilter(Temporal(persistence=4))
    for each in frames(rng, 6):
        steady(each)
    moved = frames(rng, 1)[0]
    moved[12:30, 26:30] = 0.7  # the box grows to the right, and hides what is beside it
    moved[12:30, 30] = 0
    assert (steady(moved)[12:30, 30] == 0).all()


def test_containers_batches_and_other_sizes(rng: np.random.Generator) -> None:
    steady = TemporalFilter(Temporal())
    batch = np.stack(frames(rng, 2))
    assert steady(torch.from_numpy(batch)).shape == (2, 48, 64)
    assert isinstance(steady(torch.from_numpy(batch)), torch.Tensor)
    other = frames(rng, 1)[0][:10, :7]
    assert np.array_equal(steady(other), other)
    assert np.array_equal(steady(np.zeros((5, 5), np.uint16)), np.zeros((5, 5)))
    with pytest.raises(ValueError, match="negative"):
        steady(-other)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"smoothing": 0}, "smoothing"), ({"smoothing": 1.1}, "smoothing"), ({"threshold": 0}, "threshold"),
     ({"threshold": float("nan")}, "threshold"), ({"persistence": -1}, "persistence"), ({"persistence": 1.5}, "pers")],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Temporal(**settings)  # type: ignore[arg-type]


def test_a_stream_steadies_what_it_works_on(rng: np.random.Generator) -> None:
    raw, steady = frames(rng, 5), TemporalFilter(Temporal())
    with DepthStream(lambda rgb, depth: depth, drop="none", temporal=Temporal()) as stream:
        for each in raw:
            stream.submit(None, each)
            assert np.array_equal(next(iter(stream)).depth, steady(each))
