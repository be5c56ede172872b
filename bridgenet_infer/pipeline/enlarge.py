"""Enlarge windows of LR maps. A window equals the same part of the whole enlarged map, which is never made."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bridgenet_infer.arrays import Array

from ..backends.devices import upload

SUPPORT = 2  # of the cubic kernel, in LR pixels
BLOCK = 64  # HR pixels enlarged by one matrix
MOST_TAPS = 64  # kept: the frames of a stream need the same ones


@dataclass(frozen=True)
class Taps:
    """Rows (or columns) of an enlargement as small matrices, for windows of an image.

    The library's call cannot start between two LR pixels, as tiles at odd scales must. One matrix for all rows would
    be nearly all zeros, so the rows are cut into blocks that read a few LR pixels each.

    Attributes
    ----------
    reads
        The LR indices that are read.
    firsts
        The first of the k LR pixels that each block reads one after the other, counted from the start of `reads`.
    weights
        (blocks, BLOCK, k) float32; every row sums to 1.
    rows
        Which rows of all blocks together were asked for.
    """

    reads: slice
    firsts: tuple[int, ...]
    weights: Tensor
    rows: slice


@lru_cache(maxsize=MOST_TAPS)
def bicubic_taps(low: int, high: int, start: int, stop: int) -> Taps:
    """Taps of `resize_bicubic` at the HR positions start..stop - 1 when `low` pixels are enlarged to `high` >= `low`.

    Positions at and beyond `high` repeat the last one (replicate padding).
    """
    return _make_taps(low, high, start, stop, SUPPORT, _cubic)


@lru_cache(maxsize=MOST_TAPS)
def bilinear_taps(low: int, high: int, start: int, stop: int) -> Taps:
    """`bicubic_taps` of `resize_bilinear`."""
    return _make_taps(low, high, start, stop, 1, _triangle)


Kernel = Callable[[int, int, int, int], Taps]  # bicubic_taps or bilinear_taps


def enlarge(
    maps: Sequence[Tensor], size: tuple[int, int], rows: slice, columns: slice, kernel: Kernel, device: torch.device
) -> Tensor:
    """Enlarge whole LR maps to a window of HR; the window may reach beyond the image, see `bicubic_taps`.

    Parameters
    ----------
    maps
        (C, h, w) float32 of every image, on the host.
    size
        (H, W) of the images.
    rows, columns
        The window, with start and stop.

    Returns
    -------
    (B, C, n, m) on `device`; its rows do not lie one after the other in memory.
    """
    down, across = (
        kernel(low, high, span.start, span.stop)
        for low, high, span in zip(maps[0].shape[1:], size, (rows, columns), strict=True)
    )
    parts = [each[:, down.reads, across.reads] for each in maps]
    read = upload(torch.stack(parts) if len(parts) > 1 else parts[0][None], device)
    count, height = read[..., 0, 0].numel(), read.shape[2]
    # columns first, for there are few LR rows: (blocks, B C k, l) @ (blocks, l, BLOCK)
    narrow = _read_blocks(read, -1, across).flatten(1, 3)
    wide = (narrow @ upload(across.weights, device).mT).view(-1, count, height, BLOCK).permute(2, 1, 0, 3)
    wide = wide.flatten(2)[..., across.rows].flatten(1)  # (k, B C m)
    high = upload(down.weights, device) @ _read_blocks(wide, 0, down)  # (blocks, BLOCK, B C m)
    return high.flatten(0, 1)[down.rows].view(-1, *read.shape[:2], wide.shape[1] // count).permute(1, 2, 0, 3)


def _read_blocks(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """The samples that each block reads along an axis, (blocks, *); slices take a fifth of the time of an index."""
    return torch.stack([x.narrow(axis, first, taps.weights.shape[-1]) for first in taps.firsts])


def _make_taps(low: int, high: int, start: int, stop: int, support: int, kernel: Callable[[Array], Array]) -> Taps:
    # blocks are those of the whole axis, so that a window's values do not depend on where it starts
    blocks = np.arange(start // BLOCK, (stop - 1) // BLOCK + 1)
    positions = np.minimum(blocks[:, None] * BLOCK + np.arange(BLOCK), high - 1)
    centres = (positions + 0.5) * low / high
    count = min(math.ceil(BLOCK * low / high) + 2 * support, low)
    first = np.clip((centres[:, 0] - support + 0.5).astype(np.int64), 0, low - count)
    indices = first[:, None] + np.arange(count)
    weights = kernel(indices[:, None] + 0.5 - centres[..., None])
    weights /= weights.sum(-1, keepdims=True)  # at the image's border the kernel is cut off
    read = slice(int(first[0]), int(indices[-1, -1]) + 1)
    offset = start - int(blocks[0]) * BLOCK
    return Taps(
        read,
        tuple((first - read.start).tolist()),
        torch.from_numpy(weights.astype(np.float32)),
        slice(offset, offset + stop - start),
    )


def _cubic(x: Array) -> Array:
    """Keys' cubic kernel with a = -0.5."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    result: Array = np.where(x < 1, inner, np.where(x < SUPPORT, outer, 0.0))
    return result


def _triangle(x: Array) -> Array:
    """The bilinear kernel."""
    result: Array = np.maximum(1 - np.abs(x), 0)
    return result
