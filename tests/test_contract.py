"""The depth contract: dtype, unit, shape, holes, scale, containers; mostly as properties."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.accuracy.examples import deviation
from bridgenet_infer import DepthUpsampler, UpsampledDepth, read_depth, read_rgb, upsample_depth
from bridgenet_infer.demo.compare import bicubic
from bridgenet_infer.pipeline.resample import resize_bicubic
from bridgenet_infer.pipeline.restore import nearest
from bridgenet_infer.pipeline.validate import DEPTH_DTYPES
from examples.compare import errors

dtypes = st.sampled_from(DEPTH_DTYPES)
sides = st.integers(2, 12)
scales = st.floats(2, 8)
seeds = st.integers(0, 2**31)


def make_pair(seed: int, dtype: str, h: int, w: int, scale: float, holes: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    top = {"uint8": 250, "float16": 1000, "int16": 30_000}.get(dtype, 60_000)
    depth = rng.uniform(10, top, (h, w)).astype(dtype)
    marks = [0.0] if np.dtype(dtype).kind != "f" else [0.0, np.nan, np.inf, -np.inf]
    hit = rng.random((h, w)) < holes
    depth[hit] = rng.choice(marks, hit.sum())
    rgb = rng.integers(0, 256, (math.ceil(h * scale), math.ceil(w * scale), 3), np.uint8)
    return rgb, depth


def is_hole(depth: np.ndarray) -> np.ndarray:
    return (depth == 0) | ~np.isfinite(depth)


@given(seeds, dtypes, sides, sides, scales)
def test_dtype_shape_and_holes(
    tiny_upsampler: DepthUpsampler, seed: int, dtype: str, h: int, w: int, scale: float
) -> None:
    rgb, depth = make_pair(seed, dtype, h, w, scale)
    before = depth.copy()
    result = tiny_upsampler.predict(rgb, depth, scale)
    assert isinstance(result.depth, np.ndarray)
    assert result.depth.dtype == depth.dtype
    assert result.depth.shape == rgb.shape[:2]
    assert np.array_equal(depth, before, equal_nan=True)
    expected = nearest(is_hole(depth), rgb.shape[:2]).numpy()
    assert np.array_equal(is_hole(result.depth), expected)
    assert np.array_equal(result.valid, ~expected)
    # a hole comes back with the very value that marked it
    assert np.array_equal(result.depth[expected], nearest(depth, rgb.shape[:2]).numpy()[expected], equal_nan=True)
    assert (result.depth[~expected] > 0).all()


@given(seeds, dtypes, sides, sides)
def test_filled_holes_leave_no_hole(tiny_upsampler: DepthUpsampler, seed: int, dtype: str, h: int, w: int) -> None:
    rgb, depth = make_pair(seed, dtype, h, w, 4)
    result = tiny_upsampler.predict(rgb, depth, 4, fill_holes=True)
    assert bool(np.all(result.valid)) == bool((~is_hole(depth)).any())
    assert is_hole(np.asarray(result.depth)).any() != bool((~is_hole(depth)).any())


@given(seeds, sides, sides)
def test_holes_do_not_leak_into_valid_depth(tiny_upsampler: DepthUpsampler, seed: int, h: int, w: int) -> None:
    rgb, depth = make_pair(seed, "float32", h, w, 4)
    zeros = np.where(is_hole(depth), 0, depth).astype(np.float32)
    nans = np.where(is_hole(depth), np.nan, depth).astype(np.float32)
    marked = np.where(is_hole(depth), -7, depth).astype(np.float32)
    a, b = (tiny_upsampler(rgb, d, 4, fill_holes=True) for d in (zeros, nans))
    c = tiny_upsampler(rgb, marked, 4, fill_holes=True, invalid=-7)
    if not is_hole(depth).all():
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)


@given(seeds, st.floats(1e-3, 1e3), st.floats(0, 1e4))
def test_affine_equivariance(tiny_upsampler: DepthUpsampler, seed: int, gain: float, offset: float) -> None:
    rgb, depth = make_pair(seed, "float64", 6, 9, 8, holes=0)
    plain = tiny_upsampler(rgb, depth, 8)
    moved = tiny_upsampler(rgb, depth * gain + offset, 8)
    valid_range = float(np.ptp(depth)) * gain
    # outputs that clamp at zero depth are no longer affine
    inside = (plain > 1e-300) & (moved > 1e-300)
    assert np.abs(plain * gain + offset - moved)[inside].max() <= 1e-4 * valid_range


def test_depth_times_two_plus_five_with_the_shipped_weights(shipped: DepthUpsampler) -> None:
    rgb, depth = make_pair(3, "float32", 20, 24, 8, holes=0.1)
    depth = np.where(is_hole(depth), 0, depth)
    plain = shipped(rgb, depth, 8)
    moved = shipped(rgb, np.where(depth > 0, depth * 2 + 5, 0).astype(np.float32), 8)
    mask = plain > 1
    assert np.abs(plain * 2 + 5 - moved)[mask].max() <= 1e-4 * 2 * np.ptp(depth[depth > 0])


@given(seeds, dtypes)
def test_constant_depth_comes_back_exactly(tiny_upsampler: DepthUpsampler, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    value = np.array(rng.uniform(1, 250)).astype(dtype)
    depth = np.full((4, 5), value)
    depth[rng.random((4, 5)) < 0.3] = 0
    depth[2, 2] = value
    result = tiny_upsampler(rng.integers(0, 256, (32, 40, 3), np.uint8), depth, 8, fill_holes=True)
    assert (result == value).all()


@given(dtypes)
def test_a_frame_without_any_valid_pixel_stays_a_frame_of_holes(tiny_upsampler: DepthUpsampler, dtype: str) -> None:
    depth = np.zeros((2, 4, 5), dtype)
    depth[1] = 9
    result = tiny_upsampler.predict(np.zeros((2, 32, 40, 3), np.uint8), depth, 8, fill_holes=True)
    assert not np.asarray(result.depth)[0].any()
    assert not np.asarray(result.valid)[0].any()
    assert (np.asarray(result.depth)[1] == 9).all()


@given(seeds, dtypes)
def test_numpy_pil_and_torch_agree(tiny_upsampler: DepthUpsampler, seed: int, dtype: str) -> None:
    rgb, depth = make_pair(seed, dtype, 5, 6, 4)
    expected = tiny_upsampler(rgb, depth, 4)
    tensor = tiny_upsampler(torch.from_numpy(rgb).permute(2, 0, 1), torch.from_numpy(depth), 4)
    assert isinstance(tensor, torch.Tensor)
    assert not tensor.is_inference()
    assert np.array_equal(tensor.numpy(), expected, equal_nan=True)
    if dtype in ("uint8", "uint16", "int32", "float32"):
        image = tiny_upsampler(Image.fromarray(rgb), Image.fromarray(depth), 4)
        assert isinstance(image, Image.Image)
        assert np.array_equal(np.asarray(image), expected, equal_nan=True)


@given(seeds, st.integers(1, 3))
def test_a_batch_equals_its_images(tiny_upsampler: DepthUpsampler, seed: int, count: int) -> None:
    pairs = [make_pair(seed + i, "uint16", 4, 6, 8) for i in range(count)]
    batch = tiny_upsampler(np.stack([rgb for rgb, _ in pairs]), np.stack([depth for _, depth in pairs]), 8)
    for i, (rgb, depth) in enumerate(pairs):
        # whole millimetres: batched convolutions may round the last bit differently
        assert np.abs(batch[i].astype(int) - tiny_upsampler(rgb, depth, 8).astype(int)).max() <= 1


def test_rgb_kinds_agree(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(1, "float32", 5, 6, 4, holes=0)
    expected = tiny_upsampler(rgb, depth, 4)
    alpha = np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)])
    for same in (rgb.astype(np.uint16) * 257, rgb.astype(np.float64) / 255, alpha, Image.fromarray(alpha)):
        assert np.allclose(tiny_upsampler(same, depth, 4), expected, rtol=1e-5)
    grey = rgb[..., 0]
    expected = tiny_upsampler(np.dstack([grey] * 3), depth, 4)
    for same in (grey, grey[..., None], Image.fromarray(grey), torch.from_numpy(grey)[None]):
        assert np.allclose(tiny_upsampler(same, depth, 4), expected, rtol=1e-5)


def test_integers_are_rounded_not_truncated(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(2, "float64", 6, 6, 4, holes=0)
    exact = tiny_upsampler(rgb, np.round(depth), 4)
    whole = tiny_upsampler(rgb, np.round(depth).astype(np.int32), 4)
    inside = exact > 1
    assert np.abs(whole - exact)[inside].max() <= 0.5 + 1e-6


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, 1.5, 17])
def test_scales_out_of_range_are_refused(tiny_upsampler: DepthUpsampler, scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        tiny_upsampler(*make_pair(0, "uint16", 4, 4, 8), scale)


def test_a_wrong_scale_names_both_shapes_and_what_they_imply(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(0, "uint16", 4, 6, 8)
    with pytest.raises(ValueError, match=r"\(4, 6\).*\(32, 48\).*imply 8"):
        tiny_upsampler(rgb, depth, 4)
    with pytest.raises(ValueError, match=r"imply 8 vertically and 16 horizontally"):
        tiny_upsampler(rgb, depth[:, :3], "auto")


@pytest.mark.parametrize(
    ("rgb", "depth", "error", "words"),
    [
        (np.zeros((32, 32, 3), np.uint8), np.full((4, 4), -1.0), ValueError, "negative"),
        (np.zeros((32, 32, 3), np.uint8), np.ones((4, 4), np.int64), TypeError, "int64"),
        (np.zeros((32, 32, 3), np.uint8), [[1, 2]], TypeError, "list"),
        (np.zeros((32, 32, 3), np.int16), np.ones((4, 4)), TypeError, "int16"),
        (np.full((32, 32, 3), np.nan), np.ones((4, 4)), ValueError, r"\[0, 1\]"),
        (np.zeros((32, 32, 5), np.uint8), np.ones((4, 4)), ValueError, r"\(32, 32, 5\)"),
        ("rgb.png", np.ones((4, 4)), TypeError, "str"),
        (torch.zeros(32, 32, 3), np.ones((4, 4)), ValueError, "tensor"),
    ],
)
def test_bad_input_is_refused_with_what_was_received(
    tiny_upsampler: DepthUpsampler, rgb: object, depth: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tiny_upsampler(rgb, depth, 8)  # type: ignore[call-overload]


@given(seeds, st.integers(5, 40), st.integers(5, 40), st.integers(3, 90), st.integers(3, 90))
def test_interpolation_is_pillows(seed: int, h: int, w: int, height: int, width: int) -> None:
    x = np.random.default_rng(seed).uniform(0, 255, (h, w)).astype(np.float32)
    expected = np.asarray(Image.fromarray(x).resize((width, height), Image.Resampling.BICUBIC))
    got = resize_bicubic(torch.from_numpy(x)[None, None], (height, width))[0, 0].numpy()
    assert np.abs(got - expected).max() < 255e-5


def test_threads_share_one_upsampler(tiny_upsampler: DepthUpsampler) -> None:
    pairs = [make_pair(seed, "uint16", 5, 7, 8) for seed in range(12)]
    serial = [tiny_upsampler(rgb, depth, 8) for rgb, depth in pairs]
    with ThreadPoolExecutor(4) as executor:
        parallel = list(executor.map(lambda pair: tiny_upsampler(*pair, 8), pairs))
    assert all(np.array_equal(a, b) for a, b in zip(serial, parallel, strict=True))


def test_function_call_and_predict_agree(shipped: DepthUpsampler) -> None:
    rgb, depth = make_pair(5, "uint16", 6, 8, 8)
    details = shipped.predict(rgb, depth, 8, estimate_depth=True)
    assert isinstance(details, UpsampledDepth)
    assert np.array_equal(details.depth, shipped(rgb, depth, 8))
    assert np.array_equal(details.depth, upsample_depth(rgb, depth, 8, device="cpu"))
    assert details.estimated_depth is not None
    assert (details.weights, len(details.sha256), details.scale) == ("default", 64, 8.0)
    assert shipped.predict(rgb, depth, 8).estimated_depth is None


def test_the_result_shrinks_to_the_lr_input_again(shipped: DepthUpsampler) -> None:
    """Absolute depth holds: bicubic itself misses its input by more at steps (docs/results.md states the bound)."""
    folder = Path(__file__).parents[1] / "examples" / "desk"
    rgb, lr = read_rgb(folder / "rgb.png"), read_depth(folder / "depth_lr.png")
    by_how_much = deviation(np.asarray(shipped(rgb, lr, 8)), lr)
    assert by_how_much["deviation %"] < 0.5
    assert by_how_much["worst %"] < 15
    assert abs(by_how_much["bias %"]) < 0.1


def test_shipped_weights_beat_bicubic_on_the_examples(shipped: DepthUpsampler) -> None:
    for name in ("desk", "street"):
        folder = Path(__file__).parents[1] / "examples" / name
        rgb, lr, exact = (
            read_rgb(folder / "rgb.png"),
            read_depth(folder / "depth_lr.png"),
            read_depth(folder / "depth.png"),
        )
        mask = (exact > 0) & (nearest(lr, exact.shape).numpy() > 0)
        ours, _ = errors(np.asarray(shipped(rgb, lr, 8)), exact, mask)
        plain, _ = errors(bicubic(lr, exact.shape), exact, mask)
        assert ours < 0.9 * plain, name


@pytest.mark.parametrize("scale", [4, 8, 16])
def test_each_network_of_the_shipped_weights_uses_rgb(shipped: DepthUpsampler, scale: int) -> None:
    folder = Path(__file__).parents[1] / "examples" / "desk"
    rgb, exact = read_rgb(folder / "rgb.png"), read_depth(folder / "depth.png")
    lr = exact[scale // 2 :: scale, scale // 2 :: scale]
    mask = (exact > 0) & (nearest(lr, exact.shape).numpy() > 0)
    guided, unguided = (
        errors(np.asarray(shipped(guide, lr, scale)), exact, mask)[0] for guide in (rgb, np.full_like(rgb, 128))
    )
    assert guided < 0.97 * unguided
