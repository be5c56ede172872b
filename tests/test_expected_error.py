"""The expected error: beside an unchanged result, in the unit of depth, and the measure of what becomes a hole."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.graph.bridgenet import BridgeNet
from bridgenet_infer.weights import Checkpoint, checkpoint_bytes, load_weights
from testing.tiny import TINY, randomise


def with_head(seed: int = 0) -> BridgeNet:
    """The tiny graph with a head for the expected error."""
    torch.manual_seed(seed)
    return randomise(build_bridgenet(dataclasses.replace(TINY, expected_error=True)), seed)


@pytest.fixture(scope="module")
def upsampler() -> DepthUpsampler:
    return DepthUpsampler(Checkpoint(with_head(), name="headed"), device="cpu")


def pair(rng: np.random.Generator, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    lr = rng.integers(500, 4000, (12, 15)).astype(dtype)
    lr[2:4, 3:6] = 0
    return rng.integers(0, 256, (48, 60, 3), np.uint8), lr


def test_the_result_is_the_same_bit_for_bit(rng: np.random.Generator, upsampler: DepthUpsampler) -> None:
    """With a head in the file, with the error computed, and in tiles: the same depth as without."""
    model = build_bridgenet(TINY)
    model.load_state_dict({n: x for n, x in with_head().state_dict().items() if "error_head" not in n})
    plain = DepthUpsampler(Checkpoint(model.eval(), name="plain"), device="cpu")
    rgb, lr = np.tile(pair(rng)[0], (3, 3, 1)), rng.uniform(0.5, 4, (36, 45)).astype(np.float32)
    for tile in ("auto", 64):
        expected = plain(rgb, lr, 4, tile=tile)
        assert np.array_equal(upsampler(rgb, lr, 4, tile=tile), expected)
        result = upsampler.predict(rgb, lr, 4, tile=tile)
        assert np.array_equal(result.depth, expected)
        assert result.expected_error is not None
    assert plain.predict(rgb, lr, 4).expected_error is None


def test_it_is_computed_only_where_it_is_asked_for(rng: np.random.Generator, upsampler: DepthUpsampler) -> None:
    called: list[object] = []
    head = upsampler.model.dsr.error_head  # type: ignore[union-attr]
    hook = head.register_forward_hook(lambda *_: called.append(head))
    upsampler(*pair(rng), 4)
    assert upsampler.predict(*pair(rng), 4, expect_error=False).expected_error is None
    assert not called
    upsampler.predict(*pair(rng), 4, expect_error=False, max_error=1.0)
    assert called.pop()
    upsampler.predict(*pair(rng), 4)
    hook.remove()
    assert called


@given(st.floats(1e-6, 1e6), st.sampled_from(["float32", "float64"]))
def test_it_has_the_unit_of_the_depth(unit: float, dtype: str) -> None:
    upsampler = DepthUpsampler(Checkpoint(with_head(), name="headed"), device="cpu")
    rgb, lr = pair(np.random.default_rng(3), dtype)
    one, other = (upsampler.predict(rgb, x, 4).expected_error for x in (lr, (lr * unit).astype(dtype)))
    assert isinstance(one, np.ndarray)
    assert one.dtype == np.float32
    assert np.array_equal(np.isnan(one), np.kron(lr == 0, np.ones((4, 4), bool)))
    np.testing.assert_allclose(other, one * unit, rtol=1e-3)


def test_equal_depth_around_leaves_rounding_alone(upsampler: DepthUpsampler, rng: np.random.Generator) -> None:
    rgb = pair(rng)[0]
    assert (upsampler.predict(rgb, np.full((12, 15), 2.5, np.float32), 4).expected_error == 0).all()
    assert (upsampler.predict(rgb, np.full((12, 15), 2500, np.uint16), 4).expected_error == 0.25).all()


def test_filled_holes_have_none_and_a_wild_sample_its_own(upsampler: DepthUpsampler, rng: np.random.Generator) -> None:
    rgb, lr = pair(rng)
    lr[8, 8] = 1e10
    result = upsampler.predict(rgb, lr, 4, fill_holes=True)
    assert np.array_equal(np.isnan(result.expected_error), np.kron(lr == 0, np.ones((4, 4), bool)))
    assert (result.expected_error[32:36, 32:36] > 9e9).all()  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int32", "uint8"])
def test_what_is_worse_becomes_a_hole(upsampler: DepthUpsampler, rng: np.random.Generator, dtype: str) -> None:
    rgb, lr = pair(rng, dtype)
    whole = upsampler.predict(rgb, lr, 4)
    most = float(np.nanmedian(whole.expected_error))
    result = upsampler.predict(rgb, lr, 4, max_error=most)
    kept = whole.valid & (whole.expected_error <= most)
    assert 0.3 < kept.mean() < 0.7
    assert np.array_equal(result.valid, kept)
    assert np.array_equal(np.isnan(result.expected_error), ~kept)
    hole = np.isnan if dtype.startswith("float") else np.logical_not
    assert np.array_equal(result.depth[kept], whole.depth[kept])
    assert hole(result.depth[whole.valid & ~kept]).all()
    assert np.array_equal(result.depth[~whole.valid], whole.depth[~whole.valid])


def test_tensors_give_tensors(upsampler: DepthUpsampler, rng: np.random.Generator) -> None:
    rgb, lr = pair(rng, "uint16")
    result = upsampler.predict(torch.from_numpy(rgb).permute(2, 0, 1), torch.from_numpy(lr), 4, max_error=60)
    expected = upsampler.predict(rgb, lr, 4, max_error=60)
    assert isinstance(result.expected_error, torch.Tensor)
    assert np.array_equal(result.expected_error, expected.expected_error, equal_nan=True)
    assert np.array_equal(result.depth, expected.depth)


def test_bad_limits_and_weights_without_a_head_are_refused(
    upsampler: DepthUpsampler, tiny_upsampler: DepthUpsampler, rng: np.random.Generator
) -> None:
    rgb, lr = pair(rng)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError, match="max_error must be 0 or more, got"):
            upsampler.predict(rgb, lr, 4, max_error=bad)
    with pytest.raises(TypeError, match="max_error must be a number, got 'much'"):
        upsampler.predict(rgb, lr, 4, max_error="much")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights 'tiny' have no head for the expected error"):
        tiny_upsampler.predict(rgb, lr, 4, max_error=1)
    with pytest.raises(ValueError, match="no head"):
        tiny_upsampler.model(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16), expect_error=True)


def test_a_file_keeps_the_head(tmp_path_factory: pytest.TempPathFactory, rng: np.random.Generator) -> None:
    path = tmp_path_factory.mktemp("weights") / "headed.safetensors"
    path.write_bytes(checkpoint_bytes(with_head(), {}))
    loaded = DepthUpsampler(load_weights(path), device="cpu")
    loaded.warmup(48, 60, expect_error=True)
    ours = loaded.predict(*pair(rng), 4).expected_error
    rounded = with_head()
    rounded.load_state_dict({name: x.half().float() for name, x in rounded.state_dict().items()})
    theirs = DepthUpsampler(Checkpoint(rounded), device="cpu").predict(*pair(np.random.default_rng(7)), 4)
    assert np.array_equal(ours, theirs.expected_error, equal_nan=True)
