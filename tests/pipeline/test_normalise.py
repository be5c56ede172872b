"""Depth beside its neighbourhood: the maps by themselves, and what network and result get of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.local_depth import measure_local_depth
from bridgenet_infer.pipeline.normalise import BOUND, denormalise, local_range, normalise
from bridgenet_infer.pipeline.resample import resize_bicubic, resize_bilinear
from bridgenet_infer.pipeline.validate import DEPTH_DTYPES
from bridgenet_infer.weights import Checkpoint
from testing.tiny import TINY

seeds = st.integers(0, 2**31)
sides = st.integers(1, 12)
dtypes = st.sampled_from(DEPTH_DTYPES)


def window(x: np.ndarray) -> np.ndarray:
    """(h, w) -> (h, w, 9): the 3 x 3 samples around each, the border repeated."""
    padded = np.pad(x, 1, mode="edge")
    return np.stack([padded[i : i + x.shape[0], j : j + x.shape[1]] for i in range(3) for j in range(3)], -1)


def seen_by_the_network(upsampler: DepthUpsampler, rgb: np.ndarray, depth: np.ndarray, **options: object) -> np.ndarray:
    """D_up of every tile, one after the other."""
    seen: list[torch.Tensor] = []
    hook = upsampler.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1].clone()))
    upsampler(rgb, depth, **options)
    hook.remove()
    return torch.cat(seen).numpy()


# -- maps --------------------------------------------------------------------------------------------------------------


@given(seeds, sides, sides)
def test_middle_and_reach_are_means_over_windows_of_windows(seed: int, height: int, width: int) -> None:
    lr = np.random.default_rng(seed).uniform(0, 100, (height, width))
    high, low = window(lr).max(-1), window(lr).min(-1)
    mid, reach = local_range(torch.from_numpy(lr)[None, None])
    assert np.allclose(mid[0, 0], window((low + high) / 2).mean(-1))
    assert np.allclose(reach[0, 0], window(high - low).mean(-1))


@given(seeds, st.floats(1, 1e30))
def test_a_far_patch_leaves_no_trace_beyond_the_windows(seed: int, far: float) -> None:
    lr = torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(seed))
    patched = lr.clone()
    patched[..., 8:11, 9:12] = far
    beyond = torch.ones(20, 24, dtype=torch.bool)
    beyond[6:13, 7:14] = False
    for plain, other in zip(local_range(lr), local_range(patched), strict=True):
        assert torch.equal(plain[..., beyond], other[..., beyond])


@given(seeds, st.integers(2, 16))
def test_where_the_reach_is_0_all_taps_of_the_cubic_are_equal(seed: int, scale: int) -> None:
    rng = np.random.default_rng(seed)
    lr = torch.full((1, 1, 14, 15), 3.0)
    lr[0, 0, rng.integers(14), rng.integers(15)] = 1e6
    mid, reach = local_range(lr)
    size = 14 * scale, 15 * scale
    d_up, mid, reach = resize_bicubic(lr, size), resize_bilinear(mid, size), resize_bilinear(reach, size)
    flat = reach == 0
    assert flat.any()
    assert (d_up[flat] - 3).abs().max() < 1e-5
    x = normalise(d_up, mid, reach)
    assert (x[flat] == 0).all()
    assert x.abs().max() <= BOUND
    residual = torch.randn(d_up.shape, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(denormalise(residual, d_up, reach)[flat], d_up[flat])


# -- from the caller's unit and back -----------------------------------------------------------------------------------


@given(seeds, dtypes)
def test_the_maps_depend_on_values_not_on_their_dtype(seed: int, dtype: str) -> None:
    depth = np.random.default_rng(seed).integers(1, 250, (20, 30))
    seen = depth > 20
    exact, local = (measure_local_depth(depth.astype(kind), seen) for kind in ("float64", dtype))
    assert torch.equal(local.maps, exact.maps)
    assert (local.pivot, local.unit) == (exact.pivot, exact.unit)
    assert np.array_equal(local.restore(local.maps[0])[seen], depth[seen])


@given(seeds, st.sampled_from([(1e-300, 1e-298), (1e300, 1e302), (5e-324, 1e-322), (1e-307, 1.7e308), (1e-38, 3e38)]))
def test_extremes_neither_overflow_nor_vanish(seed: int, limits: tuple[float, float]) -> None:
    low, high = limits
    share = np.random.default_rng(seed).random((9, 11))
    depth = low * (1 - share) + high * share
    local = measure_local_depth(depth, depth > 0)
    assert local.maps.isfinite().all()
    assert (local.maps[2] > 0).all()
    assert np.abs(local.restore(local.maps[0]).numpy() - depth).max() <= 1e-7 * high


def test_a_sky_over_half_of_the_image_leaves_near_depth_right(tiny_upsampler: DepthUpsampler) -> None:
    rng = np.random.default_rng(0)
    near = rng.uniform(1, 3, (24, 20))
    sky = near.copy()
    sky[:12] = 1e10
    rgb = rng.integers(0, 256, (96, 80, 3), np.uint8)
    maps = [measure_local_depth(depth, depth > 0) for depth in (near, sky)]
    back = [local.restore(local.maps[0])[14:] for local in maps]
    assert torch.allclose(back[0], back[1], rtol=1e-6)
    seen = [seen_by_the_network(tiny_upsampler, rgb, depth) for depth in (near, sky)]
    assert np.abs(seen[0] - seen[1])[..., 16 * 4 :, :].max() < 1e-5


def test_a_millimetre_at_65_metres_survives(tiny_upsampler: DepthUpsampler) -> None:
    depth = np.full((20, 20), 65_000, np.uint16)
    depth[:, 10:] += 1
    depth[0, 0] = 300
    rgb = np.zeros((80, 80, 3), np.uint8)
    local = measure_local_depth(depth, depth > 0)
    assert np.array_equal(local.restore(local.maps[0]), depth)
    result = tiny_upsampler(rgb, depth, 4)
    assert (result[40:, :24] == 65_000).all()
    assert (result[40:, -24:] == 65_001).all()


def test_what_is_flat_comes_back_as_it_was(tiny_upsampler: DepthUpsampler) -> None:
    rng = np.random.default_rng(1)
    depth = np.full((20, 20), 2.5)
    depth[:, 12:] = rng.uniform(1, 4, (20, 8))
    depth[3, 15] = 1.0
    result = tiny_upsampler(rng.integers(0, 256, (80, 80, 3), np.uint8), depth, 4)
    d_up = resize_bicubic(torch.from_numpy(depth - 1).float()[None, None], (80, 80))[0, 0].double().numpy() + 1
    flat = np.s_[:, : 8 * 4]
    assert np.abs(result[flat] - d_up[flat]).max() < 1e-6
    assert np.ptp(result[flat]) < 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
@pytest.mark.parametrize("dtype", DEPTH_DTYPES)
def test_single_rows_columns_and_samples(tiny_upsampler: DepthUpsampler, shape: tuple[int, int], dtype: str) -> None:
    depth = np.full(shape, 9, dtype)
    result = tiny_upsampler(np.zeros((shape[0] * 16, shape[1] * 16, 3), np.uint8), depth, 16)
    assert result.dtype == depth.dtype
    assert (result == 9).all()


@given(seeds, dtypes)
def test_a_single_valid_sample_fills_the_frame(tiny_upsampler: DepthUpsampler, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    depth = np.zeros((4, 5), dtype)
    depth[rng.integers(4), rng.integers(5)] = value = rng.integers(1, 250)
    result = tiny_upsampler(rng.integers(0, 256, (16, 20, 3), np.uint8), depth, 4, fill_holes=True)
    assert (result == value).all()


# -- what the network sees ---------------------------------------------------------------------------------------------


@given(seeds, st.floats(1.5, 1e6), st.sampled_from(["whole", 64]))
def test_input_far_from_a_change_stays(
    tiny_upsampler: DepthUpsampler, seed: int, factor: float, tile: str | int
) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 3, (18, 24)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = 0
    depth[9, 3] = 0.5  # the pivot stays
    patched = depth.copy()
    patched[:, 18:] *= np.float32(factor)
    rgb = rng.integers(0, 256, (18 * 5, 24 * 5, 3), np.uint8)
    plain, other = (seen_by_the_network(tiny_upsampler, rgb, lr, tile=tile) for lr in (depth, patched))
    # holes may be filled from a few samples away, then 2 samples for the windows and 2 for the taps
    left = np.s_[:, :, :, : (18 - 8) * 5] if tile == "whole" else np.s_[:1, :, :, : (18 - 8) * 5]
    assert np.array_equal(plain[left], other[left])


@given(seeds)
def test_gain_and_offset_do_not_show_in_the_input(tiny_upsampler: DepthUpsampler, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 2000, (12, 15)).astype(np.float64)
    rgb = rng.integers(0, 256, (48, 60, 3), np.uint8)
    expected = seen_by_the_network(tiny_upsampler, rgb, depth)
    for moved in (depth * 2, depth / 1024, depth + 4096, depth * 2**-900):
        assert np.array_equal(seen_by_the_network(tiny_upsampler, rgb, moved), expected)
    assert np.allclose(seen_by_the_network(tiny_upsampler, rgb, depth * 3.7 + 0.1), expected, atol=1e-5)


@given(seeds)
def test_first_generation_weights_see_the_whole_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 2, (12, 15)).astype(np.float32)
    depth[4, 5] = 0
    model = build_bridgenet(replace(TINY, normalisation="image"))
    upsampler, rgb = (
        DepthUpsampler(Checkpoint(model), device="cpu"),
        rng.integers(0, 256, (48, 64, 3), np.uint8)[:, :60],
    )
    low, high = np.percentile(depth[depth > 0], (1, 99))
    filled = torch.from_numpy((fill_holes(depth, depth > 0) - low) / (high - low))[None, None].float()
    seen = seen_by_the_network(upsampler, rgb, depth)[..., :60]
    assert np.allclose(seen, resize_bicubic(filled, (48, 60)), atol=1e-4)
    model.dsr.head.weight.data.zero_()
    model.dsr.head.bias.data.fill_(20.0)  # of the range, without a bound
    result = upsampler(rgb, depth, fill_holes=True)
    expected = resize_bicubic(filled, (48, 60))[0, 0].numpy() * (high - low) + low + 20 * (high - low)
    assert np.allclose(result, expected, rtol=1e-3)
