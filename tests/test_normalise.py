"""Filling and normalisation by themselves: which maps they take, and what the network then sees."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.holes import fill_holes
from bridgenet_infer.normalise import Normalisation, Space, measure_normalisation
from bridgenet_infer.validate import DEPTH_DTYPES

seeds = st.integers(0, 2**31)
spaces: st.SearchStrategy[Space] = st.sampled_from(["linear", "inverse"])


@pytest.mark.parametrize(
    ("depth_shape", "valid_shape", "words"),
    [
        ((4, 5), (5, 4), r"\(4, 5\) and \(5, 4\)"),
        ((4, 5), (4,), r"\(4, 5\) and \(4,\)"),
        ((1, 4, 5), (1, 4, 5), r"\(1, 4, 5\)"),
    ],
)
def test_filling_takes_one_map_and_its_mask(
    depth_shape: tuple[int, ...], valid_shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fill_holes(np.ones(depth_shape), np.ones(valid_shape, bool))


def test_nothing_to_fill_and_nothing_to_fill_with() -> None:
    depth = np.ones((4, 5))
    assert fill_holes(depth, depth > 0) is depth
    with pytest.raises(ValueError, match="all 20"):
        fill_holes(depth, depth < 0)
    with pytest.raises(ValueError, match="none of the 20"):
        measure_normalisation(depth, depth < 0, "linear")


@given(seeds, spaces, st.sampled_from(DEPTH_DTYPES))
def test_a_single_valid_sample_fills_the_frame(
    tiny_upsampler: DepthUpsampler, seed: int, space: Space, dtype: str
) -> None:
    rng = np.random.default_rng(seed)
    depth = np.zeros((4, 5), dtype)
    depth[rng.integers(4), rng.integers(5)] = value = rng.integers(1, 250)
    result = tiny_upsampler(rng.integers(0, 256, (16, 20, 3), np.uint8), depth, 4, space=space, fill_holes=True)
    assert np.allclose(result, value, rtol=1e-3 if dtype == "float16" else 1e-6, atol=0)


@given(seeds, spaces, st.sampled_from(DEPTH_DTYPES))
def test_the_normalisation_depends_on_values_not_on_their_dtype(seed: int, space: Space, dtype: str) -> None:
    depth = np.random.default_rng(seed).integers(1, 250, (20, 30))
    valid = depth > 20
    exact = measure_normalisation(depth.astype(np.float64), valid, space)
    rule = measure_normalisation(depth.astype(dtype), valid, space)
    for name in ("low", "span", "floor"):
        assert getattr(rule, name) == pytest.approx(getattr(exact, name), rel=1e-5)
    seen = rule.apply(depth.astype(dtype))
    assert seen.dtype == np.float32
    assert np.allclose(seen, exact.apply(depth.astype(np.float64)), atol=1e-5)


@given(seeds, spaces)
def test_all_but_the_outermost_samples_come_to_lie_between_0_and_1(seed: int, space: Space) -> None:
    depth = np.random.default_rng(seed).uniform(1, 80, (40, 50))
    seen = measure_normalisation(depth, depth > 0, space).apply(depth)
    for outside in (seen < 0, seen > 1):
        assert 0 < outside.mean() <= 0.0101  # a hundredth on each side


@given(seeds, spaces, st.integers(1, 9))
def test_a_few_other_samples_on_a_constant_map_still_span_the_range(seed: int, space: Space, others: int) -> None:
    rng = np.random.default_rng(seed)
    depth = np.full((40, 50), 7.0)
    depth.flat[rng.choice(depth.size, 1 + others, replace=False)] = [9, *rng.uniform(3, 11, others)]
    seen = measure_normalisation(depth, depth > 0, space).apply(depth)
    assert (seen.min(), seen.max()) == pytest.approx((0, 1))


@given(seeds)
def test_inverse_depth_never_comes_back_farther_than_twice_the_farthest_sample(seed: int) -> None:
    depth = np.random.default_rng(seed).uniform(1, 80, (10, 12))
    rule = measure_normalisation(depth, depth > 0, "inverse")
    assert rule.undo(torch.tensor([-1e6, -1e3])).tolist() == pytest.approx([2 * depth.max()] * 2)
    linear = measure_normalisation(depth, depth > 0, "linear")
    assert linear.undo(torch.tensor(1e3)) > 500 * depth.max()


def test_depth_beyond_float32_becomes_infinite_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Normalisation(0.0, 1.0, 0.0, "linear").apply(np.array([[1e60]])) == np.inf
