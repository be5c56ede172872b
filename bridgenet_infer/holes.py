"""Filling of invalid depth by one fixed rule, so that interpolation and network see a complete map."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

NEVER = 2**62  # the distance of a hole that knows no source, as part of its key
AT_ONCE = 2**14  # samples that are flooded at once, so that their keys stay in the cache
# moves (rows, columns) to the neighbours at one step, nearest first, then by row and column, and the bits that say
# which of them are valid: every row's bits are left, right and centre
MOVES = (-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)
BITS = 4, 8, 16, 128, 1, 2, 32, 64
FIRST_DOWN, FIRST_ACROSS = np.array(
    [(0, 0), *(next(m for m, bit in zip(MOVES, BITS, strict=True) if bits & bit) for bits in range(1, 256))]
).T


@overload
def fill_holes(depth: Tensor, valid: Tensor) -> Tensor: ...


@overload
def fill_holes(depth: Array, valid: Mask) -> Array: ...


def fill_holes(depth: Tensor | Array, valid: Tensor | Mask) -> Tensor | Array:
    """Give every invalid sample the depth of (nearly always) its nearest valid one; of equally near ones the first.

    Found by jump flooding. Every sample knows its source: itself if it is valid, else none yet. In steps of 2^k
    samples, from the largest below the longer side down to 1, it takes the best source that itself and its eight
    neighbours at that step had before the step. The best has the least squared distance, then the least row, then the
    least column.

    Parameters
    ----------
    depth
        (..., h, w) images, any dtype; values where `valid` is False are ignored.
    valid
        Same shape, bool; both are tensors on one device, or both arrays. Sources are found on the host.

    Returns
    -------
    Same shape and dtype; `depth` itself if there is nothing to fill. Images with no valid sample stay as they are.

    Raises
    ------
    ValueError
        If the shapes differ or are no images.
    """
    if depth.ndim < 2 or depth.shape != valid.shape:
        raise ValueError(f"depth and valid must both be (..., h, w), got {tuple(depth.shape)} and {tuple(valid.shape)}")
    if valid.all():
        return depth
    if isinstance(depth, Tensor):
        places, taken = (
            torch.from_numpy(x).to(depth.device) for x in _find_sources(torch.as_tensor(valid).cpu().numpy())
        )
        flat = depth.flatten()
        return flat.index_copy(0, places, flat[taken]).view_as(depth)
    holes, sources = _find_sources(np.asarray(valid))
    filled: Array = depth.copy(order="C")
    flat_array = filled.reshape(-1)
    flat_array[holes] = flat_array[sources]
    return filled


def _find_sources(valid: Mask) -> tuple[Indices, Indices]:
    """(..., h, w) -> flat indices of all holes, and of the samples that they take their depth from.

    Where an image has no valid sample, that is the hole itself.
    """
    holes, sources = [], []
    images = np.ascontiguousarray(valid).reshape(-1, *valid.shape[-2:])
    for i, image in enumerate(images):
        for places, taken in _find_in_image(image):
            holes.append(places + i * image.size)
            sources.append(taken + i * image.size)
    return np.concatenate(holes), np.concatenate(sources)


def _find_in_image(valid: Mask) -> list[tuple[Indices, Indices]]:
    """(h, w) -> pairs as of `_find_sources`, which together name every hole once.

    A hole with a valid sample beside it at some step, straight or else diagonally, takes that one, whatever larger
    steps have found: all of that lies at multiples of twice the step. So small steps are looked at first, to find the
    few holes that need more.
    """
    holes = ~valid
    needed, step = holes, 1
    levels = []
    while needed.any():
        beside = _valid_beside(valid, step)
        places = np.flatnonzero(needed & (beside != 0))
        open_ = needed & (beside == 0)
        levels.append((step, places, beside.reshape(-1)[places], open_))
        step *= 2
        if step >= max(valid.shape):
            break
        needed = _spread(open_, step // 2) & holes
    if not levels:
        return []
    _, places, beside, open_ = levels[0]
    found = [(places, places + (FIRST_DOWN * valid.shape[1] + FIRST_ACROSS)[beside])]
    if open_.any():
        keys = _Keys(valid)
        for step, places, beside, waiting in reversed(levels):
            keys.flood(step, waiting)
            keys.settle(step, places, beside)
        rest = np.flatnonzero(open_)
        found.append((rest, keys.sources(rest)))
    return found


def _valid_beside(valid: Mask, step: int) -> npt.NDArray[np.uint8]:
    """(h, w): which neighbours at a step are valid, as a sum of `BITS`."""
    known = valid.view(np.uint8)
    row = known << 2
    row[:, step:] |= known[:, :-step]
    row[:, :-step] |= (known << 1)[:, step:]
    beside = (row & 3) << 3
    beside[step:] |= row[:-step]
    beside[:-step] |= (row << 5)[step:]
    return beside


def _spread(marked: Mask, step: int) -> Mask:
    """(h, w): what is marked, and its eight neighbours at a step."""
    row = marked.copy()
    row[:, step:] |= marked[:, :-step]
    row[:, :-step] |= marked[:, step:]
    spread = row.copy()
    spread[step:] |= row[:-step]
    spread[:-step] |= row[step:]
    return spread


class _Keys:
    """What every sample of an image knows: its squared distance to its source, that one's row and its column.

    They are the digits of one number, so that the least key is the best source. A hole that knows none is its own
    source, and `NEVER` is added.
    """

    def __init__(self, valid: Mask) -> None:
        height, width = valid.shape
        self.low, self.high = ((side - 1).bit_length() for side in (width, height))  # bits of a column, of a row
        self.rows = np.arange(height)[:, None] << self.low
        self.columns = np.arange(width)
        self.keys = np.where(valid, 0, NEVER) + (self.rows + self.columns)

    def settle(self, step: int, places: Indices, beside: npt.NDArray[np.uint8]) -> None:
        """Give samples at flat indices the first of those that are valid beside them, see `_valid_beside`."""
        flat = self.keys.reshape(-1)
        down, across = FIRST_DOWN * step, FIRST_ACROSS * step
        sources = places + (down * len(self.columns) + across)[beside]
        flat[places] = flat[sources] + (down * down + across * across << self.low + self.high)[beside]

    def flood(self, step: int, waiting: Mask) -> None:
        """Let samples take the best source that they and their neighbours at a step know.

        So do others in between, to which that does no harm: if they are needed, they have a valid neighbour.
        """
        done = []
        rows = np.flatnonzero(waiting.any(1))
        if not len(rows):
            return
        columns = np.flatnonzero(waiting.any(0))
        across = slice(columns[0], columns[-1] + 1)
        count = max(AT_ONCE // (across.stop - across.start), 1)
        for start in range(rows[0], rows[-1] + 1, count):
            down = slice(start, min(start + count, rows[-1] + 1))
            done.append((down, self._best(down, across, step)))
        for down, best in done:
            self.keys[down, across] = best

    def _best(self, down: slice, across: slice, step: int) -> Indices:
        """The keys after a step of a window of the image."""
        height, width = self.keys.shape
        left, right = max(across.start - step, 0), min(across.stop + step, width)
        scale = 2 * step << self.low + self.high  # the distance of step + x is that of x, and 2 step x + step^2
        square = step * scale // 2
        best = self.keys[down, across].copy()
        for up in (-step, 0, step):
            top, bottom = max(down.start + up, 0), min(down.stop + up, height)
            if top >= bottom:
                continue
            near = self.keys[top:bottom, left:right]
            to = best[top - up - down.start : bottom - up - down.start]
            beside = ((near & (1 << self.low) - 1) - self.columns[left:right]) * scale
            if up:
                source = near & ((1 << self.high) - 1 << self.low)
                beyond = (source - self.rows[top:bottom]) * ((scale >> self.low) * up // step)
                near = near + beyond
                near += square
                middle = near[:, across.start - left : across.stop - left]
                np.minimum(to, middle, out=to)
            near = near + square
            for aside, candidates in ((step, near + beside), (-step, near - beside)):
                first, last = max(across.start + aside, 0), min(across.stop + aside, width)
                if first < last:
                    at = to[:, first - aside - across.start : last - aside - across.start]
                    np.minimum(at, candidates[:, first - left : last - left], out=at)
        return best

    def sources(self, places: Indices) -> Indices:
        """Flat indices of the sources of samples at flat indices."""
        known = self.keys.reshape(-1)[places]
        rows, columns = known >> self.low & (1 << self.high) - 1, known & (1 << self.low) - 1
        return rows * len(self.columns) + columns
