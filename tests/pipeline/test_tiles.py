"""Tiles, their blending, half precision and scarce memory: none of it may show in the depth."""

import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.backends import run
from bridgenet_infer.graph import SIZE_MULTIPLE, Outputs
from bridgenet_infer.pipeline.blend import blend_rows
from bridgenet_infer.pipeline.enlarge import bicubic_taps, bilinear_taps, enlarge
from bridgenet_infer.pipeline.resample import resize_bicubic, resize_bilinear
from bridgenet_infer.pipeline.tile import MIN_TILE, Tiling, cut_axis, resolve_tiling
from bridgenet_infer.weights import Checkpoint
from testing.tiny import tiny_model

EXAMPLES = Path(__file__).parents[2] / "examples"
seeds = st.integers(0, 2**31)
grid_sides = st.integers(4, 20).map(lambda n: n * SIZE_MULTIPLE)


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    height, width = draw(grid_sides), draw(grid_sides)
    most = min(height, width) // 2 // SIZE_MULTIPLE
    return Tiling(height, width, draw(st.integers(0, most)) * SIZE_MULTIPLE)


def make_pair(seed: int, h: int, w: int, scale: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(10, 200, (h, w)).astype(dtype)
    depth[rng.random((h, w)) < 0.1] = 0
    return rng.integers(0, 256, (h * scale, w * scale, 3), np.uint8), depth


@given(st.integers(1, 3000), tilings())
def test_spans_cover_an_axis_and_their_windows_sum_to_one(length: int, tiling: Tiling) -> None:
    spans = cut_axis(length, tiling.height, tiling.overlap)
    assert {s.stop - s.start for s in spans} == {len(spans[0].window)}
    assert len(spans[0].window) <= tiling.height
    assert spans[0].start == 0
    assert 0 <= spans[-1].stop - length < SIZE_MULTIPLE
    assert all(s.start % SIZE_MULTIPLE == 0 for s in spans)
    assert all(a.stop - b.start >= tiling.overlap for a, b in pairwise(spans))
    total = np.zeros(spans[-1].stop)
    for span in spans:
        assert (span.window > 0).all()
        total[span.start : span.stop] += span.window
    assert np.abs(total - 1).max() < 1e-6


@given(st.integers(1, 3000), tilings())
def test_no_window_is_steeper_than_a_raised_cosine(length: int, tiling: Tiling) -> None:
    """Between pixels, and at both ends of a tile inside the image: a step there would be a seam."""
    spans = cut_axis(length, tiling.height, tiling.overlap)
    assume(all(a.stop <= c.start for a, c in zip(spans, spans[2:], strict=False)))  # no three share a pixel
    for a, b in pairwise(spans):
        shared = a.stop - b.start
        for window in (a.window[::-1], b.window):  # towards the inside of its tile
            ramp = np.array([0, *window[: shared + 1]])
            assert (np.diff(ramp[:-1]) > -1e-6).all()
            assert np.diff(ramp).max() <= np.pi / 2 / max(shared, 1) + 1e-6


@given(tilings())
def test_a_smaller_tiling_has_half_the_sides(tiling: Tiling) -> None:
    smaller = tiling.smaller()
    if smaller is None:
        assert min(tiling.height, tiling.width) < 2 * MIN_TILE
    else:
        for half, side in zip((smaller.height, smaller.width), (tiling.height, tiling.width), strict=True):
            assert 0 <= side // 2 - half < SIZE_MULTIPLE
            assert half >= MIN_TILE


@pytest.mark.parametrize("sides", [(100, 96, 16), (96, 100, 16), (96, 96, 20), (48, 96, 16), (96, 48, 16)])
def test_tilings_off_the_grid_are_refused(sides: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 16, at least 64"):
        Tiling(*sides)


@pytest.mark.parametrize("overlap", [-16, 48, 96])
def test_overlaps_beyond_half_a_tile_are_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="half a tile"):
        Tiling(64, 80, overlap)


@given(seeds, st.integers(1, 700), st.integers(1, 700), tilings())
def test_blending_unchanged_tiles_gives_the_image(seed: int, height: int, width: int, tiling: Tiling) -> None:
    rows = cut_axis(height, tiling.height, tiling.overlap)
    columns = cut_axis(width, tiling.width, tiling.overlap)
    image = torch.rand(2, 1, rows[-1].stop, columns[-1].stop, generator=torch.Generator().manual_seed(seed))

    tiles = (image[..., r.start : r.stop, c.start : c.stop] for r in rows for c in columns)
    blended = list(blend_rows(rows, columns, tiles))
    assert [first for first, _ in blended] == [row.start for row in rows]
    assert torch.allclose(torch.cat([x for _, x in blended], 2), image, atol=1e-6)


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, slice]:
    """LR and HR size along one axis, and a window that may reach beyond the end."""
    low = draw(st.integers(1, 40))
    high = max(round(low * draw(st.floats(1, 16))), 2)  # the library fails at 1
    start = draw(st.integers(0, high - 1))
    return low, high, slice(start, start + draw(st.integers(1, 200)))


@pytest.mark.parametrize(("kernel", "resize"), [(bicubic_taps, resize_bicubic), (bilinear_taps, resize_bilinear)])
@given(seeds, axes(), axes())
def test_a_window_of_the_interpolation_is_cut_from_the_whole(
    kernel: Any, resize: Any, seed: int, down: tuple[int, int, slice], across: tuple[int, int, slice]
) -> None:
    (h, height, rows), (w, width, columns) = down, across
    lr = torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(seed))
    window = enlarge(list(lr), (height, width), rows, columns, kernel, torch.device("cpu"))
    y, x = (np.minimum(np.arange(s.start, s.stop), side - 1) for s, side in ((rows, height), (columns, width)))
    expected = resize(lr.flatten(0, 1)[:, None], (height, width))[:, 0, y][..., x].view_as(window)
    # torch computes positions in float32, these are float64
    assert torch.allclose(window, expected, rtol=0, atol=2e-4)


@settings(max_examples=8)
@given(
    seeds, st.sampled_from(["uint16", "float32"]), st.integers(10, 24), st.integers(10, 24), st.sampled_from([64, 96])
)
def test_tiles_keep_the_contract_and_nearly_the_result(
    tiny_upsampler: DepthUpsampler, seed: int, dtype: str, h: int, w: int, tile: int
) -> None:
    rgb, depth = make_pair(seed, h, w, 8, dtype)
    whole = tiny_upsampler.predict(rgb, depth, 8, tile="whole", estimate_depth=True)
    tiled = tiny_upsampler.predict(rgb, depth, 8, tile=tile, estimate_depth=True)
    assert tiled.depth.dtype == depth.dtype
    assert np.array_equal(tiled.valid, whole.valid)
    assert np.array_equal(tiled.depth == 0, whole.depth == 0)
    assert tiled.estimated_depth.shape == whole.depth.shape
    assert np.abs(np.asarray(tiled.depth, float) - whole.depth).mean() < 0.05 * 190  # random weights


def test_tiles_do_not_show_with_the_shipped_weights(shipped: DepthUpsampler) -> None:
    rgb, lr = read_rgb(EXAMPLES / "desk" / "rgb.png"), read_depth(EXAMPLES / "desk" / "depth_lr.png")
    whole, tiled = (shipped(rgb, lr, 8, tile=tile).astype(float) for tile in ("whole", 256))
    assert 0 < np.abs(whole - tiled).mean() < 0.001 * np.ptp(lr)
    borders = [s.start for s in cut_axis(rgb.shape[1], 256, 64)][1:]
    steps = np.abs(np.diff(tiled - whole, axis=1)).mean(0)
    assert steps[np.array(borders) - 1].mean() < 3 * steps.mean()


def test_constant_depth_is_exact_in_tiles(tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(0, 20, 30, 8)
    assert (tiny_upsampler(rgb, np.full_like(depth, 1.2345), 8, tile=64) == np.float32(1.2345)).all()


@pytest.mark.parametrize("tile", [0, 32, 100, -64, 64.0, True, "big", None])
def test_tiles_off_the_grid_are_refused(tiny_upsampler: DepthUpsampler, tile: Any) -> None:
    with pytest.raises(ValueError, match="tile must be"):
        tiny_upsampler(*make_pair(0, 4, 4, 8), tile=tile)


def test_small_images_run_whole_and_large_ones_in_tiles() -> None:
    tiling = resolve_tiling("auto", (480, 640))
    assert [len(cut_axis(side, tiling.height, tiling.overlap)) for side in (480, 640, 1110)] == [1, 1, 2]
    assert resolve_tiling("whole", (3000, 4001)) == Tiling(3008, 4016, 64)


@pytest.mark.parametrize(("size", "tile"), [((96, 64), "auto"), ((100, 150), 64), ((70, 90), "whole")])
def test_warmup_runs_the_tiles_of_a_call(own_upsampler: DepthUpsampler, size: tuple[int, int], tile: int | str) -> None:
    shapes: list[torch.Size] = []
    own_upsampler.model.register_forward_pre_hook(lambda module, inputs: shapes.append(inputs[1].shape))
    own_upsampler.warmup(*size, tile=tile)
    warmed = set(shapes)
    own_upsampler(np.zeros((*size, 3), np.uint8), np.full((size[0] // 5, size[1] // 5), 2, np.uint8), 5, tile=tile)
    assert len(warmed) == 1
    assert warmed == set(shapes)


# -- batches and memory ------------------------------------------------------------------------------------------------


def limit_memory(upsampler: DepthUpsampler, pixels: int) -> Any:
    """Let the graph run out of memory, as CUDA does, on more than so many pixels."""

    def check(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0][:, 0].numel() > pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    return upsampler.model.register_forward_pre_hook(check)


@pytest.fixture
def own_upsampler() -> DepthUpsampler:
    """One that a test may put hooks on."""
    return DepthUpsampler(Checkpoint(tiny_model()), device="cpu")


def test_batches_of_tiles_or_images_are_equal(own_upsampler: DepthUpsampler, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [make_pair(seed, 20, 30, 8) for seed in range(5)]
    rgb, depth = (np.stack(x) for x in zip(*pairs, strict=True))
    for tile in (64, "whole"):
        alone = own_upsampler(rgb, depth, 8, tile=tile)
        monkeypatch.setitem(run.BATCH_PIXELS, "cpu", 3 * 160 * 240)
        assert np.abs(own_upsampler(rgb, depth, 8, tile=tile) - alone).max() < 1e-2  # of 200
        monkeypatch.undo()


def test_scarce_memory_is_answered_by_smaller_batches(
    own_upsampler: DepthUpsampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, depth = make_pair(1, 20, 60, 8)
    expected = own_upsampler(rgb, depth, 8, tile=96)
    monkeypatch.setitem(run.BATCH_PIXELS, "cpu", 10**9)
    limit_memory(own_upsampler, 2 * 96 * 96)
    with pytest.warns(UserWarning, match="out of memory.*batches of") as caught:
        result = own_upsampler(rgb, depth, 8, tile=96)
    assert len(caught) <= 3
    assert np.abs(result - expected).max() < 1e-2


def test_scarce_memory_is_then_answered_by_smaller_tiles(own_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(2, 20, 60, 8)
    expected = own_upsampler(rgb, depth, 8, tile=96)
    limit_memory(own_upsampler, 100 * 200)
    with pytest.warns(UserWarning, match="continues with tiles of 96 x 96"):
        result = own_upsampler(rgb, depth, 8)
    assert np.array_equal(result, expected)
    limit_memory(own_upsampler, 1000)
    with (
        pytest.warns(UserWarning, match="tiles of 96 x 96"),
        pytest.raises(MemoryError, match="even with tiles of 96 x 96"),
    ):
        own_upsampler(rgb, depth, 8)


def test_other_errors_are_not_taken_for_scarce_memory(own_upsampler: DepthUpsampler) -> None:
    def fail(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        raise RuntimeError("a kernel that does not exist")

    own_upsampler.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="does not exist"):
        own_upsampler(*make_pair(2, 20, 60, 8))


SCARCE = """
import resource, sys, warnings
import numpy as np
import torch
from bridgenet_infer import DepthUpsampler
torch.set_num_threads(1)
upsampler = DepthUpsampler.from_pretrained("default", device="cpu")
rgb, depth = np.zeros((1600, 1600, 3), np.uint8), np.random.default_rng(0).uniform(1, 9, (200, 200))
upsampler(rgb[:64, :64], depth[:8, :8], 8)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = upsampler(rgb, depth, 8, tile="whole")
print(result.shape, bool(np.isfinite(result).all()), len(caught), caught[0].message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space limits as Linux has them")
def test_a_process_that_really_runs_out_of_memory() -> None:
    done = subprocess.run([sys.executable, "-c", SCARCE], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(1600, 1600) True ")
    assert "out of memory on cpu" in done.stdout


# -- precision ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def half_upsampler() -> DepthUpsampler:
    """Half precision inside the network, emulated where there is no CUDA."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return DepthUpsampler(Checkpoint(tiny_model()), device=device, precision="fp16")


def test_half_precision_is_close_without_warnings(
    half_upsampler: DepthUpsampler, tiny_upsampler: DepthUpsampler
) -> None:
    rgb, depth = make_pair(3, 10, 12, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half = half_upsampler(rgb, depth, 8)
    full = tiny_upsampler(rgb, depth, 8)
    assert 0 < np.abs(half - full).max() < 0.01 * 190


def test_overflowing_half_precision_is_repeated(half_upsampler: DepthUpsampler, tiny_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(4, 20, 30, 8)

    def overflow(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: Outputs) -> Outputs:
        half = torch.is_autocast_enabled(inputs[0].device.type)
        return outputs._replace(residual=outputs.residual * torch.inf) if half else outputs

    half_upsampler.model.register_forward_hook(overflow)
    with pytest.warns(UserWarning, match="half precision overflowed") as caught:
        half = half_upsampler(rgb, depth, 8, tile=64)
    assert len(caught) == 1
    full = tiny_upsampler(rgb, depth, 8, tile=64)
    assert np.abs(half - full).max() < 1e-3


def test_depth_of_any_range_fits_half_precision(half_upsampler: DepthUpsampler) -> None:
    rgb, depth = make_pair(5, 16, 20, 4, "float64")
    depth[2, 2:4], depth[9, 9] = 1e60, 1e-60
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(half_upsampler(rgb, depth, 4)).all()


def test_weights_that_give_no_numbers_are_said_to_be_broken(own_upsampler: DepthUpsampler) -> None:
    own_upsampler.model.register_forward_hook(lambda _, __, outputs: outputs._replace(residual=outputs[0] * torch.nan))
    with pytest.raises(ValueError, match="weights are broken"):
        own_upsampler(*make_pair(5, 16, 20, 4))


@pytest.mark.parametrize("device", ["nosuch", "cuda:99", "xpu"])
def test_absent_devices_are_named(tiny_checkpoint: Path, device: str) -> None:
    with pytest.raises(ValueError, match=device):
        DepthUpsampler.from_pretrained(tiny_checkpoint, device=device)


def test_unknown_precision_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="fp16, fp32"):
        DepthUpsampler.from_pretrained(tiny_checkpoint, device="cpu", precision="fp8")  # type: ignore[arg-type]
