"""Cut each axis of an image into overlapping spans whose windows sum to one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..graph import SIZE_MULTIPLE

TILE, OVERLAP = 768, 64  # chosen with benchmarks/accuracy/tiling.py: benchmarks/README.md
MIN_TILE = 64


@dataclass(frozen=True)
class Span:
    """One tile along one axis.

    Attributes
    ----------
    start, stop
        Pixels of the padded axis, both on the graph's grid.
    window
        (stop - start,) float32 weights; over all spans of an axis they sum to 1 at every pixel.
    """

    start: int
    stop: int
    window: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tiling:
    """Sides of a tile and how far neighbours overlap at least, in HR pixels.

    Raises
    ------
    ValueError
        If they are not multiples of 16 (the graph's grid), or the overlap exceeds half a tile.
    """

    height: int
    width: int
    overlap: int

    def __post_init__(self) -> None:
        sides = (self.height, self.width, self.overlap)
        if any(side % SIZE_MULTIPLE for side in sides) or min(self.height, self.width) < MIN_TILE:
            raise ValueError(f"tiles must be multiples of {SIZE_MULTIPLE}, at least {MIN_TILE}, got {sides}")
        if not 0 <= 2 * self.overlap <= min(self.height, self.width):
            raise ValueError(f"the overlap must lie in 0 to half a tile, got {sides}")

    @property
    def pixels(self) -> int:
        """Pixels of one tile."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height} x {self.width}"

    def smaller(self) -> Tiling | None:
        """Half the sides, or None where that would be less than the least tile."""
        if min(self.height, self.width) < 2 * MIN_TILE:
            return None
        return make_tiling(self.height // 2, self.width // 2)


def make_tiling(height: int, width: int) -> Tiling:
    """Tiles of these sides, cut to the grid, with the default overlap or half a tile if that is less."""
    height, width = (max(_grid_floor(side), MIN_TILE) for side in (height, width))
    return Tiling(height, width, min(OVERLAP, _grid_floor(min(height, width) // 2)))


def resolve_tiling(tile: int | str, size: tuple[int, int]) -> Tiling:
    """The tiling of an image.

    Parameters
    ----------
    tile
        Side of a square tile at most, a multiple of 16 from 64; "auto" for 768; "whole" for one pass, however
        large the image.
    size
        (H, W) of the image.

    Raises
    ------
    ValueError
        For any other `tile`.
    """
    if isinstance(tile, str) and tile == "whole":
        return make_tiling(*(_grid_ceil(side) for side in size))
    if isinstance(tile, str) and tile == "auto":
        return make_tiling(TILE, TILE)
    if isinstance(tile, bool | str) or not isinstance(tile, int | np.integer):
        raise ValueError(f"tile must be a whole number, 'auto' or 'whole', got {tile!r}")
    if tile % SIZE_MULTIPLE or tile < MIN_TILE:
        raise ValueError(f"tile must be a multiple of {SIZE_MULTIPLE} and at least {MIN_TILE}, got {tile}")
    return make_tiling(int(tile), int(tile))


def tile_size(size: tuple[int, int], tiling: Tiling) -> tuple[int, int]:
    """(h, w) of the tiles that an image of `size` is cut into; all are equal."""
    rows, columns = (
        cut_axis(side, largest, tiling.overlap)[0].stop
        for side, largest in zip(size, (tiling.height, tiling.width), strict=True)
    )
    return rows, columns


def cut_axis(length: int, tile: int, overlap: int) -> list[Span]:
    """As few spans of at most `tile` as cover one axis, equal in size, their starts on the graph's grid.

    The last one ends at or beyond `length`: what lies there is padding. A start on the 16-px grid is also one on
    the LR grid of the scales 2, 4, 8 and 16.
    """
    padded = _grid_ceil(length)
    if padded <= tile:
        return [Span(0, padded, np.ones(padded, np.float32))]
    count = math.ceil((padded - overlap) / (tile - overlap))
    side = _grid_ceil(math.ceil((padded + (count - 1) * overlap) / count))  # no more than is needed
    cells = (padded - side) // SIZE_MULTIPLE
    starts = [round(cells * i / (count - 1)) * SIZE_MULTIPLE for i in range(count)]
    overlaps = [0, *(a + side - b for a, b in pairwise(starts)), 0]
    windows = np.zeros((count, padded))
    for i, start in enumerate(starts):
        windows[i, start : start + side] = _window(side, overlaps[i], overlaps[i + 1])
    windows /= windows.sum(0)
    return [Span(s, s + side, windows[i, s : s + side].astype(np.float32)) for i, s in enumerate(starts)]


def _grid_floor(length: int) -> int:
    return length // SIZE_MULTIPLE * SIZE_MULTIPLE


def _grid_ceil(length: int) -> int:
    return -(-length // SIZE_MULTIPLE) * SIZE_MULTIPLE


def _window(side: int, left: int, right: int) -> npt.NDArray[np.float64]:
    """One, with raised-cosine ramps over the overlaps with the neighbours."""
    window = np.ones(side)
    window[:left] *= _ramp(left)
    window[side - right :] *= _ramp(right)[::-1]
    return window


def _ramp(length: int) -> npt.NDArray[np.float64]:
    return np.sin(np.pi / 2 * (np.arange(length) + 0.5) / max(length, 1)) ** 2
