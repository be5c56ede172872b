"""Filling by jump flooding: the documented rule to the letter, and how near that comes to the nearest sample."""

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from bridgenet_infer.pipeline import holes
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.validate import DEPTH_DTYPES

seeds = st.integers(0, 2**31)
sides = st.integers(1, 20)
shares = st.sampled_from([0.02, 0.1, 0.5, 0.9, 0.98])


def sources(valid: np.ndarray) -> np.ndarray:
    """Which sample each one takes its depth from, (h, w) flat indices."""
    return fill_holes(np.arange(valid.size).reshape(valid.shape), valid)


def sources_by_the_rule(valid: np.ndarray) -> np.ndarray:
    """The docstring's words, sample by sample."""
    height, width = valid.shape
    known = {(y, x): (y, x) for y, x in np.argwhere(valid).tolist()}
    step = 1
    while 2 * step < max(height, width):
        step *= 2
    while step:
        before = dict(known)
        for y in range(height):
            for x in range(width):
                moves = ((dy, dx) for dy in (-step, 0, step) for dx in (-step, 0, step))
                found = [before[y + dy, x + dx] for dy, dx in moves if (y + dy, x + dx) in before]
                if found:
                    known[y, x] = min(found, key=lambda at: ((at[0] - y) ** 2 + (at[1] - x) ** 2, at))
        step //= 2
    flat = np.arange(valid.size).reshape(valid.shape)
    for place, (y, x) in known.items():
        flat[place] = y * width + x
    return flat


@given(seeds, sides, sides, shares)
def test_every_hole_takes_what_the_rule_says(seed: int, height: int, width: int, share: float) -> None:
    valid = np.random.default_rng(seed).random((height, width)) > share
    assert np.array_equal(sources(valid), sources_by_the_rule(valid))


@given(seeds, st.integers(1, 40), st.integers(1, 40), shares, st.sampled_from([1, 64, 2**14]))
def test_compact_holes_in_parts_follow_the_rule(seed: int, height: int, width: int, share: float, at_once: int) -> None:
    rng = np.random.default_rng(seed)
    valid = rng.random((height, width)) > share / 4
    top, left = rng.integers(height), rng.integers(width)
    valid[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = False
    with patch.object(holes, "AT_ONCE", at_once):
        assert np.array_equal(sources(valid), sources_by_the_rule(valid))


@given(seeds, sides, sides, shares)
@example(76463, 5, 10, 0.9)
def test_that_is_nearly_always_the_nearest_sample(seed: int, height: int, width: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    farther = []
    for _ in range(8):  # in one small map three of fifty holes may take another
        valid = rng.random((height, width)) > share
        valid[rng.integers(height), rng.integers(width)] = True
        known = np.argwhere(valid)
        found = np.stack(np.unravel_index(sources(valid), valid.shape), -1)
        for y, x in np.argwhere(~valid):
            least = np.hypot(*(known - (y, x)).T).min()
            farther.append(np.hypot(*(found[y, x] - (y, x))) / least)
    assert max(farther, default=1) < 1.5
    assert np.mean(np.array(farther or [1]) > 1 + 1e-9) < 0.05


def test_of_equally_near_samples_the_first_one_counts() -> None:
    depth = np.array([[0, 2, 0, 0, 0], [3, 0, 4, 0, 0], [0, 5, 0, 0, 6]])
    assert fill_holes(depth, depth > 0).tolist() == [[2, 2, 2, 4, 6], [3, 2, 4, 4, 6], [3, 5, 4, 6, 6]]


@given(seeds, sides, sides, st.sampled_from(DEPTH_DTYPES), st.sampled_from(["<", ">"]))
def test_arrays_keep_their_dtype_and_every_bit(seed: int, height: int, width: int, dtype: str, order: str) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 250, (height, width)).astype(np.dtype(dtype).newbyteorder(order))
    depth.flags.writeable = False
    valid = rng.random((height, width)) < 0.6
    filled = fill_holes(depth, valid)
    assert filled.dtype == depth.dtype
    assert np.array_equal(filled, depth.ravel()[sources(valid)])


@given(seeds, sides, sides, st.sampled_from(["uint8", "int16", "int32", "float16", "float32", "float64"]))
def test_a_batch_of_tensors_equals_its_images(seed: int, height: int, width: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 250, (3, 1, height, width)).astype(dtype)
    valid = rng.random(depth.shape) < np.array([0.7, 0.2, 0])[:, None, None, None]
    filled = fill_holes(torch.from_numpy(depth), torch.from_numpy(valid))
    assert filled.dtype == getattr(torch, dtype)
    assert filled.shape == depth.shape
    for image, given_depth, mask in zip(filled.numpy(), depth, valid, strict=True):
        assert np.array_equal(image[0], fill_holes(given_depth[0], mask[0]))
    assert np.array_equal(filled[2], depth[2])  # nothing to fill with


def test_nothing_to_fill() -> None:
    depth = torch.ones(2, 1, 4, 5)
    assert fill_holes(depth, depth > 0) is depth


@pytest.mark.parametrize(
    ("depth_shape", "valid_shape", "words"),
    [((4, 5), (5, 4), r"\(4, 5\) and \(5, 4\)"), ((4, 5), (4,), r"\(4, 5\) and \(4,\)"), ((5,), (5,), r"\(5,\)")],
)
def test_depth_and_mask_have_one_shape(depth_shape: tuple[int, ...], valid_shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fill_holes(np.ones(depth_shape), np.ones(valid_shape, bool))


def test_holes_whose_distances_no_key_holds_are_refused() -> None:
    valid = np.zeros((1, 2**21), bool)
    valid[0, 0] = True
    with pytest.raises(ValueError, match="1 x 2097152"):
        fill_holes(np.ones(valid.shape, np.uint16), valid)
