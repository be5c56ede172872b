"""The network's residual -> depth in the caller's unit, with the caller's dtype, holes and container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from bridgenet_infer.arrays import Array

from .enlarge import BLOCK, bicubic_taps, bilinear_taps, enlarge
from .frame import Frame, Results
from .normalise import denormalise
from .validate import LowResolutionDepth

Restored = npt.NDArray[Any] | Image.Image | Tensor
# pixels: float64 for one of them at a time, not for all rows of tiles; what stays in a CPU's cache, more on a GPU
CHUNK, GPU_CHUNK = 2**17, 2**20
ROUNDING = 0.25  # of the unit of integers: the mean error that rounding leaves
SAME_BITS = {torch.uint16: torch.int16, torch.uint32: torch.int32}  # for what torch cannot do with the unsigned ones


@dataclass(frozen=True)
class UpsampledDepth:
    """The result of `DepthUpsampler.predict`: depth with its details.

    Attributes
    ----------
    depth
        (H, W) or (B, H, W): kind, dtype and unit of the LR depth.
    valid
        Same shape, bool: False where the LR depth had a hole (nearest neighbour), or `max_error` made one. A NumPy
        array for PIL input.
    estimated_depth
        D_DE, the monocular estimate, float32, relative: about 0 to 1, larger is nearer. None unless asked for.
    expected_error
        Mean absolute error that the depth is expected to have, float32, in the unit of depth; NaN where nothing was
        measured or `max_error` made a hole. Trained as the scale of a Laplace distribution, which it meets only
        roughly. 0 where all LR samples around are equal, but a quarter at least for integers, which are
        rounded. None for weights without a head for it.
    scale
        The scale used.
    weights, sha256
        Name and file hash of the checkpoint.
    """

    depth: Restored
    valid: Restored
    estimated_depth: Restored | None
    expected_error: Restored | None
    scale: float
    weights: str
    sha256: str


def nearest(lr: Array, size: tuple[int, int], rows: slice = slice(None), device: torch.device | str = "cpu") -> Tensor:
    """(..., h, w) -> (..., n, W), the given rows of (H, W), by nearest neighbour; made on `device`.

    That is the LR pixel whose area holds the HR pixel's centre.
    """
    down, across = (
        ((np.arange(high) + 0.5) * low / high).astype(np.int64) for low, high in zip(lr.shape[-2:], size, strict=True)
    )
    sources = down[rows]
    reads = lr[..., sources[0] : sources[-1] + 1, :]  # a slab's rows alone, however large the image
    samples = torch.from_numpy(reads.astype(reads.dtype.newbyteorder("="))).to(device)
    # columns, then whole rows: a thirtieth of the time of indexing both at once; along columns `gather` is the fastest
    columns = torch.from_numpy(across).to(device).expand(*samples.shape[:-1], -1)
    picked = _bits(samples).gather(-1, columns)
    return picked.index_select(-2, torch.from_numpy(sources - sources[0]).to(device)).view(samples.dtype)


def to_dtype(depth: Tensor, dtype: torch.dtype) -> Tensor:
    """Round (integers), clamp to what the dtype holds, and keep valid depth positive: 0 would be a hole."""
    if dtype.is_floating_point:
        limits = torch.finfo(dtype)
        return depth.clamp(limits.tiny, limits.max).to(dtype)
    rounded = (depth + 0.5).floor_().clamp_(1, torch.iinfo(dtype).max)
    return rounded.to(torch.int64).to(SAME_BITS[dtype]).view(dtype) if dtype in SAME_BITS else rounded.to(dtype)


def restore_rows(frame: Frame, first: int, rows: Tensor) -> None:
    """Put finished rows into a frame's results: unit and dtype as received, holes with the value that marked them.

    Parameters
    ----------
    first
        Index of the first row.
    rows
        (1 to 3, n, m) the residual and the extras that the results have room for, on any device that has float64;
        what lies beyond the image is dropped.
    """
    height, width = frame.size
    inside = rows[:, : height - first, :width]
    at_once = max((CHUNK if rows.device.type == "cpu" else GPU_CHUNK) // width, 1)
    if at_once > BLOCK:
        at_once -= at_once % BLOCK  # no block is enlarged twice
    for start in range(0, inside.shape[1], at_once):
        _restore_chunk(frame, first + start, inside[:, start : start + at_once])


def _restore_chunk(frame: Frame, first: int, rows: Tensor) -> None:
    (residual, *extras), results = rows, frame.results
    height, width = residual.shape
    place = slice(first, first + height)
    if results.estimated_depth is not None:
        results.estimated_depth[place] = extras.pop(0)
    valid = nearest(frame.valid, frame.size, place, rows.device)
    if results.valid is not None:
        results.valid[place] = valid
    replaced = valid if frame.replaced is frame.valid else nearest(frame.replaced, frame.size, place, rows.device)
    raw = nearest(frame.raw, frame.size, place, rows.device)
    d_up, reach = (
        enlarge([frame.local.maps[channel]], frame.size, place, slice(0, width), kernel, rows.device)[0, 0]
        for channel, kernel in (([0], bicubic_taps), ([2], bilinear_taps))
    )
    exact = frame.local.restore(denormalise(residual, d_up, reach))
    if results.expected_error is not None:
        error = frame.local.restore_error_(extras.pop() * reach)
        if not raw.dtype.is_floating_point:
            error.clamp_(min=ROUNDING)
        if frame.replaced is not frame.valid:  # a wild sample that stays is as far off as the network is from it
            error = torch.where(replaced, error, (raw.double() - exact).abs_().float())
        known = valid if frame.measured is frame.valid else nearest(frame.measured, frame.size, place, rows.device)
        results.expected_error[place] = torch.where(known, error, torch.nan)
    depth = to_dtype(exact, raw.dtype)
    results.depth[place] = torch.where(replaced, _bits(depth), _bits(raw)).view(raw.dtype)


def drop_unsure(results: Results, most: float) -> None:
    """Make holes, 0 in integers and NaN in floats, where the expected error is greater than `most`."""
    assert results.expected_error is not None
    assert results.valid is not None
    unsure = results.expected_error > most
    results.valid.masked_fill_(unsure, False)
    results.expected_error.masked_fill_(unsure, torch.nan)
    _bits(results.depth).masked_fill_(unsure, torch.nan if results.depth.dtype.is_floating_point else 0)


def to_container(batch: Tensor, received: LowResolutionDepth) -> Restored:
    """(B, H, W) -> the kind of object that the depth came in."""
    tensor = batch if received.batched else batch[0]
    if received.container == "torch":
        return tensor
    array = tensor.numpy()
    if received.container == "pil" and array.dtype != np.bool_:  # a PIL image cannot hold bool (the validity mask)
        return Image.fromarray(array)
    native = received.raw.dtype.newbyteorder("=")
    return array.astype(received.raw.dtype, copy=False) if array.dtype == native else array


def _bits(x: Tensor) -> Tensor:
    """Unsigned numbers of 16 and 32 bits, which CUDA cannot index or select, as signed ones of the same bits."""
    return x.view(SAME_BITS[x.dtype]) if x.dtype in SAME_BITS else x
