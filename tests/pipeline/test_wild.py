"""A single wild sample: found by its rule alone, kept on its own pixels, and unseen by the network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.pipeline.restore import nearest
from bridgenet_infer.pipeline.validate import DEPTH_DTYPES
from bridgenet_infer.pipeline.wild import without_wild
from robustness.calls.checks import find_wild

seeds = st.integers(0, 2**31)


def surface(seed: int, height: int = 14, width: int = 18) -> np.ndarray:
    """Smooth depth of a few metres."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    down, across = rng.uniform(0.2, 1, 2)
    return 2 + down * y + across * x + 0.2 * np.sin(5 * x)


@given(seeds, st.sampled_from(["float32", "float64"]), st.sampled_from([1e10, 1e5, 1e-30]))
def test_beyond_six_samples_it_is_as_a_hole(tiny_upsampler: DepthUpsampler, seed: int, dtype: str, wild: float) -> None:
    rng = np.random.default_rng(seed)
    depth = surface(seed, 20, 24).astype(dtype)
    if wild < 1:
        depth += 1000  # far below everything: as far from the median as the others lie close together
    y, x = rng.integers(20), rng.integers(24)
    holed, odd = depth.copy(), depth.copy()
    holed[y, x], odd[y, x] = 0, wild
    rgb = rng.integers(0, 256, (80, 96, 3), np.uint8)
    expected, result = (tiny_upsampler.predict(rgb, lr, 4) for lr in (holed, odd))
    rows, columns = np.arange(80) // 4, np.arange(96) // 4
    own = (rows == y)[:, None] & (columns == x)
    assert (result.depth[own] == odd[y, x]).all()
    assert result.valid.all()
    assert not expected.valid[own].any()
    assert np.array_equal(result.depth[~own], expected.depth[~own])


@given(seeds)
def test_filling_holes_does_not_replace_it(tiny_upsampler: DepthUpsampler, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = surface(seed).astype(np.float32)
    depth[4, 5], depth[9, 9] = 1e10, 0
    rgb = rng.integers(0, 256, (56, 72, 3), np.uint8)
    result = tiny_upsampler(rgb, depth, 4, fill_holes=True)
    own = nearest(depth == np.float32(1e10), (56, 72)).numpy()
    assert (result[own] == np.float32(1e10)).all()
    assert (result[~own] < 100).all()


@given(seeds, st.floats(0, 0.3), st.sampled_from(DEPTH_DTYPES))
def test_ordinary_depth_has_none(seed: int, holes: float, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    depth = 20 * surface(seed)
    depth[:, int(rng.integers(18)) :] += rng.uniform(0, 60)  # an edge
    depth += rng.normal(0, 1, depth.shape)
    valid = rng.random(depth.shape) >= holes
    assert without_wild(depth.astype(dtype), valid) is valid


@given(seeds, st.integers(2, 10), st.floats(1e3, 1e12))
def test_a_far_surface_is_not_wild(seed: int, side: int, far: float) -> None:
    depth = surface(seed, 40, 50)
    y, x = np.random.default_rng(seed).integers(0, 40, 2)
    depth[y : y + side, x : x + side] = far
    valid = np.ones(depth.shape, bool)
    if valid[y : y + side, x : x + side].sum() > 1:
        assert without_wild(depth, valid) is valid


@given(seeds, st.sampled_from(DEPTH_DTYPES), st.floats(0, 0.7))
def test_the_rule_to_the_letter(seed: int, dtype: str, holes: float) -> None:
    rng = np.random.default_rng(seed)
    top = min(float(np.finfo(dtype).max) if dtype.startswith("float") else np.iinfo(dtype).max, 1e300)
    depth = rng.uniform(1, 1 + 10 ** rng.uniform(-3, 1), (12, 15))
    hit = rng.random(depth.shape) < 10 ** rng.uniform(-2, -0.5)
    depth[hit] = np.exp(rng.uniform(0, np.log(top), hit.sum()))
    depth, valid = depth.clip(1, top).astype(dtype), rng.random(depth.shape) >= holes
    assert np.array_equal(without_wild(depth, valid), valid & ~find_wild(depth, valid))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e308])
def test_marks_of_holes_are_not_looked_at(value: float) -> None:
    depth = surface(0)
    depth[3, 4] = value
    valid = depth > 0
    valid[3, 4] = False
    assert without_wild(depth, valid) is valid


def test_constant_depth_and_few_samples_have_none() -> None:
    depth = np.full((9, 9), 5.0)
    depth[4, 4] = 1e10
    for valid in (np.ones((9, 9), bool), np.eye(9, dtype=bool), np.zeros((9, 9), bool)):
        assert without_wild(depth, valid) is valid
