"""Sweeping over images in rows of tiles and blending them: no more than one row of tiles is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from .tile import Span


def blend_rows(
    rows: Sequence[Span], columns: Sequence[Span], run_row: Callable[[Span], Iterable[Tensor]]
) -> Iterator[tuple[int, Tensor]]:
    """Blend tiles, one row of tiles after the other.

    Parameters
    ----------
    rows, columns
        Spans of both axes, see `cut_axis`.
    run_row
        Gives the results (B, C, h, w) of the tiles of one row span, float32, column by column.

    Yields
    ------
    First row and finished rows (B, C, n, padded width), float32, from the top down without gaps.
    """
    shared: Tensor | None = None  # sums that the next tiles add to
    across: list[Tensor] = []  # the columns' windows, where the tiles are
    for i, row in enumerate(rows):
        slab: Tensor | None = None
        for j, (column, tile) in enumerate(zip(columns, run_row(row), strict=True)):
            across = across or [torch.from_numpy(span.window).to(tile.device) for span in columns]
            if slab is None:
                vertical = torch.from_numpy(row.window).to(tile.device)[:, None]
                slab = tile.new_zeros(*tile.shape[:3], columns[-1].stop)
                if shared is not None:
                    slab[..., : shared.shape[-2], :] = shared
            slab[..., column.start : column.stop].addcmul_(tile, vertical * across[j])
        if slab is None:
            raise ValueError("no columns to blend")
        done = (rows[i + 1].start if i + 1 < len(rows) else row.stop) - row.start
        yield row.start, slab[..., :done, :]
        shared = slab[..., done:, :]
