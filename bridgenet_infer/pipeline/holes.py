"""Filling of invalid depth by one fixed rule, so that interpolation and network see a complete map."""

from __future__ import annotations

from functools import reduce
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]
CENTRE, STRAIGHT = 4, (1, 3, 5, 7)  # above, left, right and below, among the nine of `_neighbours`
NEVER = torch.iinfo(torch.int64).max
AT_ONCE = 2**16  # holes: the neighbours of all holes of a large map would not fit


@overload
def fill_holes(depth: Tensor, valid: Tensor) -> Tensor: ...


@overload
def fill_holes(depth: Array, valid: npt.NDArray[np.bool_]) -> Array: ...


def fill_holes(depth: Tensor | Array, valid: Tensor | npt.NDArray[np.bool_]) -> Tensor | Array:
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
        Same shape, bool; both are tensors on one device, or both arrays.

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
        holes, sources = _find_sources(torch.as_tensor(valid))
        flat = depth.flatten()
        return flat.index_copy(0, holes, flat[sources]).view_as(depth)
    places, taken = (x.numpy() for x in _find_sources(torch.from_numpy(np.ascontiguousarray(valid))))
    filled: Array = depth.copy(order="C")
    filled.flat[places] = filled.flat[taken]
    return filled


def _find_sources(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Flat indices of the holes that can be filled, and of the samples that they take their depth from.

    A hole with a valid sample straight beside it at some step takes that one, whatever larger steps have found: all of
    that lies at multiples of twice the step. So small steps are looked at first, to find the few holes that need more.
    """
    known = valid.flatten()
    holes = (~valid & valid.any(-1, keepdim=True).any(-2, keepdim=True)).flatten().nonzero()[:, 0]
    needed, step = holes, 1
    levels: list[tuple[int, Tensor, Tensor, Tensor]] = []
    while len(needed) and step < max(valid.shape[-2:]):
        settled, taken, open_, read = [], [], [], torch.zeros_like(known)
        for part in torch.split(needed, AT_ONCE):
            around = _neighbours(part, step, valid.shape)
            beside = around[STRAIGHT, :]
            found, first = known[beside].max(0)  # the first of several
            settled.append(part[found])
            taken.append(beside.gather(0, first[None])[0, found])
            open_.append(part[~found])
            read.index_fill_(0, around[:, ~found].flatten(), True)
        levels.append((step, torch.cat(settled), torch.cat(taken), torch.cat(open_)))
        needed = (read & ~known).nonzero()[:, 0]
        step *= 2
    source = torch.where(known, torch.arange(len(known), device=valid.device), -1)
    for step, centres, sources, others in reversed(levels):
        parts = (_neighbours(part, step, valid.shape) for part in torch.split(others, AT_ONCE))
        source[others] = torch.cat([_nearest(around, source, valid.shape[-1]) for around in parts])
        source[centres] = sources
    return holes, source[holes]


def _neighbours(centres: Tensor, step: int, shape: torch.Size) -> Tensor:
    """(n,) flat indices -> (9, n) those at a step, row by row; moves out of the image are not made."""
    height, width = shape[-2:]
    rows, columns = centres // width % height, centres % width
    stay = torch.zeros_like(centres)
    down = torch.stack((-step * width * (rows >= step), stay, step * width * (rows < height - step)))
    across = torch.stack((-step * (columns >= step), stay, step * (columns < width - step)))
    return ((centres + down)[:, None] + across).flatten(0, 1)


def _nearest(around: Tensor, source: Tensor, width: int) -> Tensor:
    """The best of the sources that each centre and its neighbours know; -1 if there is none."""
    candidates, centres = source[around], around[CENTRE]
    down = candidates // width - centres // width
    across = candidates - centres - down * width
    rank = (down * down + across * across) * len(source) + candidates
    # `amin` is ten times slower
    best = reduce(torch.minimum, rank.masked_fill_(candidates < 0, NEVER))
    return torch.where(best == NEVER, -1, best % len(source))
