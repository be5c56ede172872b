"""Kinds of RGB and depth that are accepted, the scale that their sizes imply, and refusals that name the reason."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridgenet_infer.pipeline.validate import MAX_SCALE, MIN_SCALE, check_depth, check_rgb, resolve_scale, unit_range
from bridgenet_infer.upsampler import DepthUpsampler

sides = st.integers(1, 400)
whole_scales = st.integers(MIN_SCALE, MAX_SCALE)


def fits(scale: float, lr_size: tuple[int, int], hr_size: tuple[int, int]) -> bool:
    return all(abs(high - low * scale) < scale for low, high in zip(lr_size, hr_size, strict=True))


@given(sides, sides, whole_scales)
def test_auto_is_the_whole_scale_for_exact_multiples(h: int, w: int, scale: int) -> None:
    assert resolve_scale("auto", (h, w), (h * scale, w * scale)) == scale


@given(sides, sides, whole_scales, st.integers(0, 15), st.integers(0, 15))
def test_auto_and_the_scale_itself_fit(h: int, w: int, scale: int, more_h: int, more_w: int) -> None:
    """Cropped or padded by less than one LR pixel."""
    size = h * scale + more_h % scale, w * scale - more_w % scale
    found = resolve_scale("auto", (h, w), size)
    assert isinstance(found, float)
    assert MIN_SCALE <= found <= MAX_SCALE
    assert fits(found, (h, w), size)
    assert resolve_scale(found, (h, w), size) == found


@given(sides, sides, st.integers(1, 6400), st.integers(1, 6400))
def test_auto_refuses_only_what_no_scale_explains(h: int, w: int, height: int, width: int) -> None:
    tried = np.linspace(MIN_SCALE, MAX_SCALE, 500)
    try:
        found = resolve_scale("auto", (h, w), (height, width))
        nearly = abs(height / h * w / width - 1) < 0.005 and all(
            abs(high - low * found) < 2 * found for high, low in ((height, h), (width, w))
        )
        assert fits(found, (h, w), (height, width)) or nearly
    except ValueError:
        assert not any(fits(scale, (h, w), (height, width)) for scale in tried)


def test_sizes_off_by_a_whole_lr_pixel_are_refused() -> None:
    for size in ((88, 160), (80, 168), (72, 160), (80, 152)):
        with pytest.raises(ValueError, match="does not fit"):
            resolve_scale(8, (10, 20), size)
    assert resolve_scale(8, (10, 20), (73, 167)) == 8


@pytest.mark.parametrize("scale", [True, "8", "AUTO", None, [8], 8 + 0j])
def test_a_scale_is_a_number(scale: Any) -> None:
    with pytest.raises(TypeError, match="number or 'auto'"):
        resolve_scale(scale, (4, 4), (32, 32))


def test_sizes_that_differ_by_a_sample_at_each_edge_fit() -> None:
    assert 2.0167 < resolve_scale("auto", (480, 640), (968, 1296)) < 2.025  # ScanNet
    assert resolve_scale(2.02, (480, 640), (968, 1296)) == 2.02
    with pytest.raises(ValueError, match=r"imply 2\.025 vertically and 2 horizontally"):
        resolve_scale("auto", (480, 640), (972, 1280))


@pytest.mark.parametrize("scale", [2, 16, 2.0, np.int64(16), np.float32(2)])
def test_the_limits_themselves_are_scales(scale: float) -> None:
    found = resolve_scale(scale, (4, 4), (round(4 * scale), round(4 * scale)))
    assert type(found) is float
    assert found == scale


def test_depth_keeps_its_container_batch_and_bits() -> None:
    raw = np.arange(1, 21, dtype=np.uint16).reshape(4, 5)
    for given_depth, container in ((raw, "numpy"), (torch.from_numpy(raw), "torch"), (Image.fromarray(raw), "pil")):
        received = check_depth(given_depth)
        assert (received.container, received.batched, received.device) == (container, False, torch.device("cpu"))
        assert np.array_equal(received.raw, raw[None])
    assert check_depth(raw[None]).batched
    tensor = torch.ones(4, 5, requires_grad=True)
    assert check_depth(tensor).valid.all()


@pytest.mark.parametrize("invalid", [65535, 7.0, -1])
def test_a_marker_value_is_a_hole_beside_zero(invalid: float) -> None:
    depth = np.array([[1, 0, invalid], [3, invalid, np.nan]], np.float32)
    assert check_depth(depth, invalid).valid.tolist() == [[[True, False, False], [True, False, False]]]


def test_negative_depth_is_counted() -> None:
    depth = np.array([[-2.5, 0, 3], [-1, np.nan, 4]], np.float32)
    with pytest.raises(ValueError, match=r"\(2, 3\) has 2 negative values \(least: -2.5\)"):
        check_depth(depth)


@pytest.mark.parametrize("mode", ["RGB", "1", "P", "LA"])
def test_images_that_are_no_depth_are_refused(mode: str) -> None:
    with pytest.raises(TypeError, match=f"got {mode}"):
        check_depth(Image.new(mode, (5, 4)))


@pytest.mark.parametrize("shape", [(4,), (4, 5, 0), (0, 4, 5), (1, 1, 4, 5)])
def test_depth_of_other_shapes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="non-empty"):
        check_depth(np.ones(shape, np.uint16))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_images_of_every_mode_are_rgb_as_pillow_converts_them(mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    taken = np.asarray(check_rgb(image, 1, False))
    assert taken.shape == (1, 4, 5, 1 if mode == "L" else 3)
    assert np.array_equal(np.broadcast_to(taken[0], pixels.shape), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_grey_of_16_bits_keeps_them(mode: str) -> None:
    pixels = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    stored = pixels.astype(">u2" if mode == "I;16B" else "<u2")
    taken = np.asarray(check_rgb(Image.frombytes(mode, (5, 4), stored.tobytes()), 1, False))
    assert taken.dtype == np.uint16
    assert np.array_equal(taken[0, ..., 0], pixels)


@pytest.mark.parametrize(
    ("shape", "batched", "taken"),
    [
        ((4, 5), False, (1, 4, 5, 1)),
        ((4, 5, 1), False, (1, 4, 5, 1)),
        ((4, 5, 3), False, (1, 4, 5, 3)),
        ((4, 5, 4), False, (1, 4, 5, 3)),
        ((2, 4, 5), True, (2, 4, 5, 1)),  # grey of a batch
        ((1, 4, 5), True, (1, 4, 5, 1)),
        ((2, 4, 5, 3), True, (2, 4, 5, 3)),
        ((2, 4, 5, 4), True, (2, 4, 5, 3)),
        ((4, 5, 3), True, (1, 4, 5, 3)),  # one image for a batch of one
    ],
)
def test_shapes_of_rgb(shape: tuple[int, ...], batched: bool, taken: tuple[int, ...]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    result = check_rgb(rgb, taken[0], batched)
    assert tuple(result.shape) == taken
    assert np.array_equal(np.asarray(result).ravel(), rgb.reshape(*taken[:3], -1)[..., :3].ravel())
    if len(shape) > 2 and shape[-1] in (1, 3, 4):  # tensors have channels first
        tensor = check_rgb(torch.from_numpy(rgb).movedim(-1, -3), taken[0], batched)
        assert isinstance(tensor, torch.Tensor)
        assert np.array_equal(tensor.numpy(), np.asarray(result))


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        (np.ones((4, 5, 2), np.uint8), r"\(4, 5, 2\)"),
        (np.ones((0, 5, 3), np.uint8), "non-empty"),
        (np.ones(5, np.uint8), r"\(5,\)"),
        (np.ones((1, 1, 4, 5, 3), np.uint8), r"\(1, 1, 4, 5, 3\)"),
        (np.ones((2, 4, 5, 3), np.uint8), "2 images, lr_depth 1"),
        (torch.ones(2, 4, 5), r"got \(2, 4, 5\)"),
        (torch.ones(4, 5), r"got \(4, 5\)"),
        (torch.ones(1, 1, 3, 4, 5), r"got \(1, 1, 3, 4, 5\)"),
        (np.full((4, 5, 3), -0.01), "from -0.01 to -0.01"),
        (np.full((4, 5, 3), 1.01), "from 1.01 to 1.01"),
    ],
)
def test_rgb_of_other_shapes_and_ranges_is_refused(rgb: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_rgb(rgb, 1, False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16", "float32", "float64"])
def test_black_and_white_are_0_and_1_in_every_dtype(dtype: str) -> None:
    kind: torch.dtype = getattr(torch, dtype)
    white = 1 if kind.is_floating_point else torch.iinfo(kind).max
    rgb = torch.tensor([[[0, white]] * 3], dtype=torch.float64).to(kind)
    taken = check_rgb(rgb.movedim(1, 0), 1, False)
    assert isinstance(taken, torch.Tensor)
    seen = unit_range(taken)
    assert seen.dtype == torch.float32
    assert sorted(set(seen.flatten().tolist())) == [0, 1]


def test_other_numbers_are_no_rgb() -> None:
    for rgb in (np.ones((4, 5, 3), np.int32), torch.ones(3, 4, 5, dtype=torch.int64), np.ones((4, 5, 3), bool)):
        with pytest.raises(TypeError, match="uint8, uint16 or float"):
            check_rgb(rgb, 1, False)
    assert math.isclose(unit_range(torch.tensor(51, dtype=torch.uint8)), 0.2, rel_tol=1e-6)


# What people do wrong, and are told


@pytest.mark.parametrize(("dtype", "mark"), [("uint16", 65535), ("float32", 10000.0), ("int32", 65535)])
def test_a_frequent_far_value_is_pointed_out(tiny_upsampler: DepthUpsampler, dtype: str, mark: float) -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(500, 4000, (24, 32)).astype(dtype)
    rgb = rng.integers(0, 256, (96, 128, 3), np.uint8)
    depth[:4] = mark
    with pytest.warns(UserWarning, match=rf"16\.7% of the depth is exactly {mark:g}.* invalid={mark:g}"):
        tiny_upsampler(rgb, depth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny_upsampler(rgb, depth, invalid=mark)
        depth[:4] = 4500  # a wall is no mark
        tiny_upsampler(rgb, depth)
        depth[0, :15] = mark  # a few wild samples are none either
        tiny_upsampler(rgb, depth)
        tiny_upsampler(rgb, np.full_like(depth, mark))


@pytest.mark.parametrize(
    ("rgb", "depth", "words"),
    [
        ((48, 64, 3), (48, 64), "there is nothing to up-sample.*depth\\[4::8, 4::8\\]"),
        ((1080, 1920, 3), (424, 512), "register the depth if the cameras differ"),
        ((64, 48, 3), (6, 8), "turned by 90 degrees"),
        ((48, 64, 3), (1, 6, 8, 1), "channel axis"),
        ((48, 64, 3), (6, 8, 1), "without an axis for channels|lr_depth 6"),
    ],
)
def test_advice_is_given(
    tiny_upsampler: DepthUpsampler, rgb: tuple[int, ...], depth: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        tiny_upsampler(np.zeros(rgb, np.uint8), np.ones(depth, np.uint16))


def test_channels_last_tensors_are_told_how_to_turn(tiny_upsampler: DepthUpsampler) -> None:
    with pytest.raises(ValueError, match=r"movedim\(-1, -3\)"):
        tiny_upsampler(torch.zeros(48, 64, 3), torch.ones(6, 8))
