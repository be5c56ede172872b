"""From prepared frames to filled results: cut, crop, run, blend and restore, a row of tiles at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import torch
from torch import Tensor

from ..backends.devices import is_out_of_memory
from ..backends.run import TileRunner, join
from .blend import blend_rows
from .crop import crop_tile
from .frame import Frame
from .restore import restore_rows
from .tile import Span, Tiling, cut_axis

T = TypeVar("T")
U = TypeVar("U")


def upsample_frames(frames: Sequence[Frame], tiling: Tiling, runner: TileRunner) -> None:
    """Fill the results of frames of one size, small ones several at a time.

    Raises
    ------
    MemoryError
        If not even the least tile fits into the device's memory.
    ValueError
        If the weights are broken, see `TileRunner`.
    """
    height, width = frames[0].size
    together = runner.batch_size(height * width)
    for start in range(0, len(frames), together):
        tiling = _upsample_fitting(frames[start : start + together], tiling, runner)


def _upsample_fitting(frames: Sequence[Frame], tiling: Tiling, runner: TileRunner) -> Tiling:
    """Fill the results, with smaller and smaller tiles until they fit; returns the tiling that did."""
    while True:
        try:
            for first, rows in super_resolve(frames, tiling, runner):
                for frame, image in zip(frames, rows, strict=True):
                    restore_rows(frame, first, image)
            return tiling
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            tiling = _shrink(tiling, runner.device, error)


def _shrink(tiling: Tiling, device: torch.device, error: BaseException) -> Tiling:
    smaller = tiling.smaller()
    if smaller is None:
        raise MemoryError(f"out of memory on {device} even with tiles of {tiling}: {error}") from error
    warnings.warn(f"out of memory on {device}: the call continues with tiles of {smaller}", stacklevel=2)
    return smaller


def super_resolve(frames: Sequence[Frame], tiling: Tiling, runner: TileRunner) -> Generator[tuple[int, Tensor]]:
    """The residual, and D_DE if the runner estimates it, as rows from the top down.

    Yields
    ------
    First row and (B, 1 or 2, n, m) float32 on `runner.home`; rows from H and columns from W on are padding.
    """
    height, width = frames[0].size
    rows = cut_axis(height, tiling.height, tiling.overlap)
    columns = cut_axis(width, tiling.width, tiling.overlap)
    together = runner.batch_size(len(frames) * tiling.pixels)
    parts = [(row, columns[i : i + together]) for row in rows for i in range(0, len(columns), together)]

    def crop(part: tuple[Span, list[Span]]) -> tuple[Tensor, Tensor]:
        row, spans = part
        crops = [crop_tile(frames, row, column, runner.home, runner.wants_validity) for column in spans]
        rgb, d_up = (join(each) for each in zip(*crops, strict=True))
        return rgb, d_up

    with closing(_one_ahead(crop, parts)) as inputs:
        tiles = (tile for rgb, d_up in inputs for tile in torch.split(runner(rgb, d_up), len(frames)))
        yield from blend_rows(rows, columns, tiles)


def _one_ahead(make: Callable[[T], U], items: Sequence[T]) -> Generator[U]:
    """`make` of each item, the next one made on a thread while the caller works on the last."""
    if len(items) == 1:
        yield make(items[0])
        return
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(make, items[0])
        for item in items[1:]:
            made, coming = coming.result(), worker.submit(make, item)
            yield made
        yield coming.result()
