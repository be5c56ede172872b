"""Check every result against the promises of the documentation, by other means than the package's own."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from bridgenet_infer import UpsampledDepth
from bridgenet_infer.arrays import Array
from bridgenet_infer.pipeline.holes import fill_holes
from robustness.calls.inputs import Case
from testing.bounded import RESIDUAL

# a hundred LR pixels with one smooth surface; the bounds of a whole scene (docs/results.md) are tighter
LR_KERNEL = (0.06, 0.2, 0.015)
ROUNDING = 1e-4  # of the range: float32, here and there
LEAST_OTHERS = 8  # valid samples around a wild one


def check_result(case: Case, result: Any, bounded: bool) -> None:
    """AssertionError says which promise a result breaks.

    Parameters
    ----------
    bounded
        The network stays within `RESIDUAL` of interpolation, see `BoundedBridgeNet`.
    """
    details = case.predict
    assert isinstance(result, UpsampledDepth) == details, f"{type(result)} with predict={details}"
    depth = to_batch(case, result.depth if details else result, case.container, case.raw.dtype)
    if isinstance(case.lr_depth, np.ndarray):
        given = result.depth if details else result
        assert given.dtype == case.lr_depth.dtype, f"byte order: {given.dtype} for {case.lr_depth.dtype}"
    holes = find_holes(case.raw, case.invalid)
    valid_mask = ~nearest(holes, case.size)
    if case.options.get("fill_holes"):
        valid_mask[:] = ~holes.all((1, 2), keepdims=True)
    if details:
        check_details(case, result, valid_mask)
    expected = nearest(case.raw, case.size)[~valid_mask]
    assert depth[~valid_mask].tobytes() == expected.tobytes(), "a hole has not the value that marked it"
    valid = depth[valid_mask]
    assert np.isfinite(valid).all(), f"{np.count_nonzero(~np.isfinite(valid))} valid pixels are not finite"
    assert (valid > 0).all(), f"valid depth down to {valid.min()}"
    for image, raw, mask, hole in zip(depth, case.raw, valid_mask, holes, strict=True):
        if mask.any():
            check_values(case, image, raw, mask, hole, bounded)


def to_batch(case: Case, given: Any, container: str, dtype: npt.DTypeLike) -> Array:
    """(B, H, W) in native byte order, after a look at container, dtype and shape."""
    kinds = {"numpy": np.ndarray, "torch": torch.Tensor, "pil": Image.Image}
    assert isinstance(given, kinds[container]), f"{type(given)} for {container}"
    if isinstance(given, torch.Tensor):
        assert not given.is_inference(), "an inference tensor came out"
        assert not given.requires_grad
    array = np.asarray(given)
    array = array.astype(array.dtype.newbyteorder("="))
    shape = (*((len(case.raw),) if case.batched else ()), *case.size)
    assert (array.dtype, array.shape) == (np.dtype(dtype), shape), f"{array.dtype} {array.shape}, not {dtype} {shape}"
    return array if case.batched else array[None]


def check_details(case: Case, result: UpsampledDepth, valid_mask: Array) -> None:
    """The mask, the estimate and the scale."""
    container = "numpy" if case.container == "pil" else case.container
    valid = to_batch(case, result.valid, container, np.bool_)
    assert np.array_equal(valid, valid_mask), f"{np.count_nonzero(valid != valid_mask)} pixels of the mask differ"
    (h, w), (height, width) = case.raw.shape[1:], case.size
    samples = 2 if abs(height / h * w / width - 1) < 0.005 else 1  # cameras that show nearly the same
    fits = [abs(high - low * result.scale) < samples * result.scale for low, high in ((h, height), (w, width))]
    assert all(fits), f"scale {result.scale} does not fit"
    assert (result.estimated_depth is not None) == bool(case.options.get("estimate_depth"))
    if result.estimated_depth is not None:
        estimate = to_batch(case, result.estimated_depth, case.container, np.float32)
        assert np.isfinite(estimate).all(), "D_DE is not finite"


def check_values(case: Case, image: Array, raw: Array, mask: Array, hole: Array, bounded: bool) -> None:
    """Depth lies where the LR depth and the bounded network let it; a wild sample keeps its value."""
    wild = find_wild(raw, ~hole)
    odd = nearest(wild[None], case.size)[0]
    assert (image == nearest(raw[None], case.size)[0])[odd & mask].all(), "a wild sample has not kept its value"
    filled = fill_holes(raw, ~hole & ~wild).astype(np.float64)
    mask = mask & ~odd
    low, high = float(filled.min()), float(filled.max())
    integer = image.dtype.kind in "ui"
    step = 1.0 if integer else high * float(np.finfo(image.dtype).eps)
    top, floor = (float(np.iinfo(image.dtype).max), 1.0) if integer else _float_limits(image.dtype)
    found = image[mask].astype(np.float64)
    if low == high:
        assert (found == max(low, floor)).all(), f"constant {low} is {found.min()} to {found.max()} now"
        return
    if not bounded:
        return
    share = (filled - low) / (high - low)
    width, height = case.size[::-1]
    enlarged = Image.fromarray(share.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    with np.errstate(over="ignore"):  # beyond the dtype's limits, where both are cut off
        reference = low + (high - low) * np.asarray(enlarged).astype(np.float64)
    apart = np.abs(found - reference.clip(floor, top)[mask])
    allowed = (RESIDUAL + ROUNDING) * (high - low) + step
    assert apart.max() <= allowed, f"{apart.max()} from interpolation, {allowed} allowed"


def find_wild(raw: Array, valid: Array) -> Array:
    """Single wild samples of one image, sample by sample."""
    wild = np.zeros(raw.shape, bool)
    values = np.sort(raw[valid].astype(np.float64))
    if len(values) < LEAST_OTHERS + 1:
        return wild
    last = len(values) - 1
    spread = values[math.floor(0.95 * last)] - values[math.ceil(0.05 * last)]
    for y, x in np.argwhere(valid):
        value = float(raw[y, x])
        if spread == 0 or abs(value - values[last // 2]) / 99 <= spread:
            continue
        around = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
        others = valid[around].copy()
        others[y - around[0].start, x - around[1].start] = False
        samples = np.sort(raw[around][others].astype(np.float64))
        if len(samples) < LEAST_OTHERS:
            continue
        median = samples[(len(samples) - 1) // 2] / 2 + samples[len(samples) // 2] / 2
        wild[y, x] = abs(value - median) / 100 > max(np.abs(samples - median).max(), spread)
    return wild


def check_lr_kernel(lr: Array, result: Array) -> None:
    """The LR kernel re-applied returns the LR depth to `LR_KERNEL` of its range: on average, at worst, its bias."""
    size = lr.shape[1], lr.shape[0]
    again = np.asarray(Image.fromarray(result.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    apart = (again.astype(np.float64) - lr) / np.ptp(lr)
    found = np.abs(apart).mean(), np.abs(apart).max(), abs(apart.mean())
    assert all(np.less_equal(found, LR_KERNEL)), f"LR kernel: {found} of the range off, {LR_KERNEL} allowed"


def find_holes(raw: Array, invalid: Any) -> Array:
    """Holes: 0, floats that are not finite, and the marker as the dtype holds it."""
    holes: Array = raw == 0
    if raw.dtype.kind == "f":
        holes |= ~np.isfinite(raw)
    with np.errstate(over="ignore"):
        if invalid is not None and abs(invalid) <= float(np.finfo(np.float64).max):
            holes |= raw == (np.array(invalid).astype(raw.dtype) if raw.dtype.kind == "f" else invalid)
    return holes


def nearest(array: Array, size: tuple[int, int]) -> Array:
    """The LR pixel that holds each HR pixel's centre, in whole numbers."""
    rows, columns = (
        [(2 * i + 1) * low // (2 * high) for i in range(high)] for low, high in zip(array.shape[1:], size, strict=True)
    )
    return array[:, rows][..., columns]


def _float_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.finfo(dtype)
    return float(limits.max), float(limits.tiny)
