"""From the network's output back to the caller's kind of depth, and from the caller's arrays to the network's input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import Extras
from bridgenet_infer.pipeline import restore
from bridgenet_infer.pipeline.crop import crop_tile
from bridgenet_infer.pipeline.frame import Frame, make_frames, make_results
from bridgenet_infer.pipeline.normalise import normalise
from bridgenet_infer.pipeline.resample import resize_bicubic, resize_bilinear
from bridgenet_infer.pipeline.restore import nearest, to_dtype
from bridgenet_infer.pipeline.tile import cut_axis
from bridgenet_infer.pipeline.validate import check_depth
from bridgenet_infer.weights import Checkpoint
from testing.tiny import tiny_model

seeds = st.integers(0, 2**31)


def make_pair(seed: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """RGB (44, 52) and depth (11, 13) with a few holes."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(10, 200, (11, 13)).astype(dtype)
    depth[rng.random(depth.shape) < 0.1] = 0
    return rng.integers(0, 256, (44, 52, 3), np.uint8), depth


@pytest.mark.parametrize(
    ("dtype", "most"),
    [
        (torch.uint8, 255),
        (torch.uint16, 65_535),
        (torch.uint32, 2**32 - 1),
        (torch.int16, 2**15 - 1),
        (torch.int32, 2**31 - 1),
    ],
    ids=str,
)
def test_integers_are_rounded_half_up_and_never_to_0(dtype: torch.dtype, most: int) -> None:
    depth = torch.tensor([-1e12, 0, 0.2, 1, 1.4999, 1.5, 2.5, 254.4, most - 0.6, most, 1e12], dtype=torch.float64)
    assert to_dtype(depth, dtype).tolist() == [1, 1, 1, 1, 1, 2, 3, 254, most - 1, most, most]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_floats_stay_positive_and_finite(dtype: torch.dtype) -> None:
    depth = to_dtype(torch.tensor([-5, 0, 0.25, 1e305], dtype=torch.float64), dtype)
    assert depth.dtype == dtype
    assert (depth > 0).all()
    assert depth.isfinite().all()
    assert depth[2] == 0.25


@given(seeds, st.integers(1, 30), st.integers(1, 30), st.floats(1, 9), st.integers(0, 40), st.integers(1, 40))
def test_nearest_takes_the_sample_around_a_pixel(
    seed: int, h: int, w: int, scale: float, start: int, count: int
) -> None:
    lr = np.random.default_rng(seed).integers(0, 60_000, (h, w), np.uint16)
    size = round(h * scale), round(w * scale)
    start = min(start, size[0] - 1)
    rows = nearest(lr, size, slice(start, start + count))
    for y, row in enumerate(rows.numpy(), start):
        samples = lr[int((y + 0.5) * h / size[0])]
        assert row.tolist() == [samples[int((x + 0.5) * w / size[1])] for x in range(size[1])]


@pytest.mark.parametrize("chunk", [1, 100, 52 * 7])
def test_chunk_sizes_do_not_show(tiny_upsampler: DepthUpsampler, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    rgb, depth = make_pair(0)
    expected = tiny_upsampler.predict(rgb, depth, 4, estimate_depth=True)
    monkeypatch.setattr(restore, "CHUNK", chunk)
    result = tiny_upsampler.predict(rgb, depth, 4, estimate_depth=True)
    for name in ("depth", "valid", "estimated_depth"):
        assert np.array_equal(getattr(result, name), getattr(expected, name)), name


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("kind", ["u2", "i4", "f4", "f8"])
def test_foreign_byte_order_and_strides_come_back(tiny_upsampler: DepthUpsampler, order: str, kind: str) -> None:
    rgb, depth = make_pair(1)
    depth = depth.astype(f"={kind}")
    expected = tiny_upsampler(rgb, depth, 4, fill_holes=True)
    foreign = depth.astype(order + kind)
    foreign.flags.writeable = False
    result = tiny_upsampler.predict(rgb[::-1, ::-1][::-1, ::-1], foreign, 4, fill_holes=True)
    assert isinstance(result.depth, np.ndarray)
    assert result.depth.dtype == foreign.dtype
    assert np.array_equal(result.depth, expected)
    assert isinstance(result.valid, np.ndarray)
    assert result.valid.dtype == np.bool_


def test_details_come_in_the_container_of_the_depth(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(2, "uint16")
    kinds = {np.ndarray: depth, torch.Tensor: torch.from_numpy(depth), Image.Image: Image.fromarray(depth)}
    plain = tiny_upsampler.predict(rgb, depth, 4, estimate_depth=True)
    for kind, lr in kinds.items():
        result = tiny_upsampler.predict(rgb, lr, 4, estimate_depth=True)
        assert isinstance(result.depth, kind)
        assert isinstance(result.estimated_depth, kind)
        assert isinstance(result.valid, np.ndarray if kind is Image.Image else kind)  # Pillow has no such image
        for name in ("depth", "valid", "estimated_depth"):
            value = np.asarray(getattr(result, name))
            assert value.dtype == getattr(plain, name).dtype
            assert np.array_equal(value, getattr(plain, name))


def test_the_estimate_is_the_graphs() -> None:
    upsampler = DepthUpsampler(Checkpoint(tiny_model()), device="cpu")
    seen: list[torch.Tensor] = []
    upsampler.model.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[1]))
    rgb, depth = make_pair(3)
    result = upsampler.predict(rgb, depth, 4, estimate_depth=True)
    assert result.estimated_depth is not None
    assert np.array_equal(result.estimated_depth, seen[0][0, 0, :44, :52].numpy())
    assert result.estimated_depth.dtype == np.float32


def only_frame(rgb: np.ndarray, depth: np.ndarray) -> Frame:
    received = check_depth(depth)
    results = make_results((rgb.shape[0], rgb.shape[1]), received, Extras())
    (frame,) = make_frames(rgb[None], received, results, fill_holes=False, reference="local")
    return frame


@given(seeds, st.booleans())
def test_tiles_are_cut_from_the_whole_and_repeat_its_border(seed: int, grey: bool) -> None:
    rgb, depth = make_pair(seed)
    frame = only_frame(rgb[..., :1] if grey else rgb, depth)
    filled, mid, reach = frame.local.maps[:, None, None]
    up = normalise(resize_bicubic(filled, (44, 52)), *(resize_bilinear(x, (44, 52)) for x in (mid, reach)))[0, 0]
    measured = resize_bicubic(torch.from_numpy(frame.seen.astype(np.float32))[None, None], (44, 52))[0, 0]
    for row in cut_axis(44, 32, 16):
        for column in cut_axis(52, 32, 16):
            colour, d_up = crop_tile([frame], row, column, torch.device("cpu"), with_validity=True)
            y = np.minimum(np.arange(row.start, row.stop), 43)[:, None]
            x = np.minimum(np.arange(column.start, column.stop), 51)[None]
            expected = np.broadcast_to(frame.rgb[y, x], (32, 32, 3)).astype(np.float32) / 255
            assert np.allclose(colour[0].permute(1, 2, 0), expected, atol=1e-6)
            assert np.allclose(d_up[0, 0], up[y, x], atol=1e-4)
            assert np.allclose(d_up[0, 1], measured[y, x], atol=1e-4)
            plain = crop_tile([frame], row, column, torch.device("cpu"), with_validity=False)[1]
            assert torch.equal(plain, d_up[:, :1])
