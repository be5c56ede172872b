"""Fill invalid depth by one fixed rule, so that interpolation and network see a complete map."""

from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bridgenet_infer.arrays import Array, Mask

Indices = npt.NDArray[np.int64]
Box = tuple[slice, slice]  # a window's rows and columns

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
        If the shapes differ or are no images, or holes spread over more than about 2^15 samples both ways.
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
    height, width = valid.shape
    first = _look(valid, ~valid, (slice(0, height), slice(0, width)), 1)
    places = np.flatnonzero(first.beside)
    found = [(places, places + (FIRST_DOWN * width + FIRST_ACROSS)[first.beside.reshape(-1)[places]])]
    levels = [first]
    while levels[-1].core is not None and 2 * levels[-1].step < max(valid.shape):
        levels.append(_look_farther(valid, levels[-1]))
    if first.core is not None:
        found.append(_flood(valid, levels, first.core))
    return found


@dataclass(frozen=True)
class _Level:
    """The data of one step.

    Attributes
    ----------
    step
        In samples.
    box
        The window of the image that holds all holes whose sources after this step are needed.
    beside
        (n, m) which neighbours of those holes are valid, see `_valid_beside`; 0 for all other samples.
    waiting
        (n, m) bool: those of them with no valid neighbour, which depend on what larger steps find.
    core
        The window of the image that holds these; None if there are none.
    """

    step: int
    box: Box
    beside: npt.NDArray[np.uint8]
    waiting: Mask
    core: Box | None


def _look(valid: Mask, needed: Mask, box: Box, step: int) -> _Level:
    """The level of a step, where `needed` says which samples of a window are."""
    around = _grown(box, step, valid.shape)
    beside = _valid_beside(valid[around], step)[_within(around, box)] * needed
    waiting = needed & (beside == 0)
    rows, columns = np.flatnonzero(waiting.any(1)), np.flatnonzero(waiting.any(0))
    if not len(rows):
        return _Level(step, box, beside, waiting, None)
    down, across = (
        slice(s.start + int(x[0]), s.start + int(x[-1]) + 1) for s, x in zip(box, (rows, columns), strict=True)
    )
    return _Level(step, box, beside, waiting, (down, across))


def _look_farther(valid: Mask, level: _Level) -> _Level:
    """The level of twice the step of one that has a core."""
    assert level.core is not None
    box = _grown(level.core, level.step, valid.shape)
    marked = np.zeros_like(valid[box])
    marked[_within(box, level.core)] = level.waiting[_within(level.box, level.core)]
    return _look(valid, _spread(marked, level.step) & ~valid[box], box, 2 * level.step)


def _flood(valid: Mask, levels: list[_Level], core: Box) -> tuple[Indices, Indices]:
    """Flat indices of the holes that wait at the first of the levels, whose core that is, and of their sources."""
    boxes = [(core, 1), *((level.box, level.step) for level in levels[1:])]
    read = [_grown(box, step, valid.shape) for box, step in boxes]
    down, across = region = _hull([box[0] for box in read]), _hull([box[1] for box in read])
    keys = _Keys(valid[region])
    for level in reversed(levels):
        if level.core is not None:
            keys.flood(level.step, _within(region, level.core))
        if level is not levels[0]:
            keys.settle(level.step, level.beside, _within(region, level.box))
    rows, columns = np.nonzero(levels[0].waiting[core])
    inner = _within(region, core)
    at, across_at = keys.sources(rows + inner[0].start, columns + inner[1].start)
    width = valid.shape[1]
    holes = (rows + core[0].start) * width + columns + core[1].start
    return holes, (at + down.start) * width + across_at + across.start


def _grown(box: Box, step: int, shape: tuple[int, ...]) -> Box:
    """A window and its surroundings up to a step away, within an image of (h, w)."""
    down, across = (slice(max(s.start - step, 0), min(s.stop + step, side)) for s, side in zip(box, shape, strict=True))
    return down, across


def _within(outer: Box, inner: Box) -> Box:
    """A window of the image as one of a larger window."""
    down, across = (_within_span(o, i) for o, i in zip(outer, inner, strict=True))
    return down, across


def _within_span(outer: slice, inner: slice) -> slice:
    return slice(inner.start - outer.start, inner.stop - outer.start)


def _hull(spans: list[slice]) -> slice:
    return slice(min(s.start for s in spans), max(s.stop for s in spans))


def _valid_beside(valid: Mask, step: int) -> npt.NDArray[np.uint8]:
    """(h, w): which neighbours at a step are valid, as a sum of `BITS`."""
    known = valid.view(np.uint8)
    row = np.left_shift(known, np.uint8(2))
    row[:, step:] |= known[:, :-step]
    row[:, :-step] |= (known << 1)[:, step:]
    beside: npt.NDArray[np.uint8] = (row & 3) << 3
    beside[step:] |= row[:-step]
    beside[:-step] |= (row << 5)[step:]
    return beside


def _spread(marked: Mask, step: int) -> Mask:
    """(h, w): the marked samples, and the eight neighbours of each at a step."""
    row = marked.copy()
    row[:, step:] |= marked[:, :-step]
    row[:, :-step] |= marked[:, step:]
    spread: Mask = row.copy()
    spread[step:] |= row[:-step]
    spread[:-step] |= row[step:]
    return spread


class _Keys:
    """The knowledge of every sample of an image: the squared distance to its source, and the source's row and column.

    They are the digits of one number, so that the least key is the best source. A hole that knows none is its own
    source, and `NEVER` is added.
    """

    def __init__(self, valid: Mask) -> None:
        height, width = valid.shape
        self.low, self.high = ((side - 1).bit_length() for side in (width, height))  # bits of a column, of a row
        if (height * height + width * width << self.low + self.high) >= NEVER:
            raise ValueError(f"holes in {height} x {width} samples lie too far from depth to be filled")
        self.rows = np.arange(height)[:, None] << self.low
        self.columns = np.arange(width)
        self.keys = np.where(valid, 0, NEVER) + (self.rows + self.columns)

    def settle(self, step: int, beside: npt.NDArray[np.uint8], box: Box) -> None:
        """Give the samples of a window that have valid ones beside them, see `_valid_beside`, the first of these."""
        rows, columns = np.nonzero(beside != 0)
        first = beside[rows, columns]
        rows, columns = rows + box[0].start, columns + box[1].start
        down, across = FIRST_DOWN * step, FIRST_ACROSS * step
        sources = self.keys[rows + down[first], columns + across[first]]
        self.keys[rows, columns] = sources + (down * down + across * across << self.low + self.high)[first]

    def flood(self, step: int, core: Box) -> None:
        """Let the samples of a window take the best source that they and their neighbours at a step know.

        That does no harm to those that do not wait: they are not needed, or have a valid neighbour.
        """
        down, across = core
        count = max(AT_ONCE // (across.stop - across.start), 1)
        parts = [slice(start, min(start + count, down.stop)) for start in range(down.start, down.stop, count)]
        best = [self._best(part, across, step) for part in parts]
        for part, keys in zip(parts, best, strict=True):
            self.keys[part, across] = keys

    def _best(self, down: slice, across: slice, step: int) -> Indices:
        """The keys after a step of a window of the image."""
        height, width = self.keys.shape
        _, reach = _grown((down, across), step, self.keys.shape)
        scale = 2 * step << self.low + self.high  # seen from a step away, x^2 is (x + step)^2: more by this x + square
        square = step * scale // 2
        best: Indices = self.keys[down, across].copy()
        for up in (-step, 0, step):
            top, bottom = max(down.start + up, 0), min(down.stop + up, height)
            if top >= bottom:
                continue
            keys = near = self.keys[top:bottom, reach]
            lowest = best[top - up - down.start : bottom - up - down.start]
            if up:
                source_rows = keys & ((1 << self.high) - 1 << self.low)
                near = keys + (source_rows - self.rows[top:bottom]) * (up // step * (scale >> self.low)) + square
                np.minimum(lowest, near[:, _within_span(reach, across)], out=lowest)
            aside = ((keys & (1 << self.low) - 1) - self.columns[reach]) * scale
            near = near + square
            for move, candidates in ((step, near + aside), (-step, near - aside)):
                first, last = max(across.start + move, 0), min(across.stop + move, width)
                if first < last:
                    part = lowest[:, _within_span(across, slice(first - move, last - move))]
                    np.minimum(part, candidates[:, _within_span(reach, slice(first, last))], out=part)
        return best

    def sources(self, rows: Indices, columns: Indices) -> tuple[Indices, Indices]:
        """Rows and columns of the sources of samples."""
        known = self.keys[rows, columns]
        return known >> self.low & (1 << self.high) - 1, known & (1 << self.low) - 1
