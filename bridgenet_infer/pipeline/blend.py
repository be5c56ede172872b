"""Blend tiles row by row, so that memory holds no more than one row of tiles."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .tile import Span


def blend_rows(rows: Sequence[Span], columns: Sequence[Span], tiles: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Blend tiles, one row of tiles after the other.

    Parameters
    ----------
    rows, columns
        Spans of both axes, see `cut_axis`.
    tiles
        Their results (B, C, h, w), float32, column by column, row by row; taken when they are needed.

    Yields
    ------
    First row and finished rows (B, C, n, padded width), float32, from the top down without gaps.
    """
    results = iter(tiles)
    first = next(results)
    down, across = ([torch.from_numpy(span.window).to(first.device) for span in spans] for spans in (rows, columns))
    shared: Tensor | None = None  # sums that the next tiles add to
    for i, row in enumerate(rows):
        slab = first.new_zeros(*first.shape[:3], columns[-1].stop)
        if shared is not None:
            slab[..., : shared.shape[-2], :] = shared
        for j, column in enumerate(columns):
            tile = first if i == j == 0 else next(results)
            slab[..., column.start : column.stop].addcmul_(tile, down[i][:, None] * across[j])
        done = (rows[i + 1].start if i + 1 < len(rows) else row.stop) - row.start
        yield row.start, slab[..., :done, :]
        shared = slab[..., done:, :]
