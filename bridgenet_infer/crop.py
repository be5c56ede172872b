"""The inputs of one tile, cut out of RGB image and LR depth: nothing larger than a tile is made here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from .frame import Frame
from .resample import BicubicTaps, bicubic_taps
from .tile import Span
from .validate import unit_range


def crop_tile(frames: Sequence[Frame], rows: Span, columns: Span) -> tuple[Tensor, Tensor]:
    """Network inputs of one tile of several images of one size.

    What reaches beyond the image repeats its last row and column: channel attention pools the padding too.

    Returns
    -------
    rgb (B, 3, h, w) in [0, 1] and D_up (B, 1, h, w) normalised, float32 on the host.
    """
    (height, width), (low_height, low_width) = frames[0].size, frames[0].raw.shape
    pixels = np.stack([f.rgb[rows.start : rows.stop, columns.start : columns.stop] for f in frames])
    rgb = torch.from_numpy(unit_range(pixels)).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    padding = (0, max(columns.stop - width, 0), 0, max(rows.stop - height, 0))
    down = bicubic_taps(low_height, height, rows.start, rows.stop)
    across = bicubic_taps(low_width, width, columns.start, columns.stop)
    d_up = np.stack([_interpolate(frame, down, across) for frame in frames])
    return F.pad(rgb, padding, mode="replicate"), torch.from_numpy(d_up)[:, None]


def _interpolate(frame: Frame, down: BicubicTaps, across: BicubicTaps) -> npt.NDArray[Any]:
    """Normalised D_up of the rows and columns that the taps were made for."""
    patch = frame.filled[down.reads, across.reads]
    normalised = np.zeros(patch.shape, np.float32) if frame.rule is None else frame.rule.apply(patch)
    with np.errstate(all="ignore"):  # what overflows here is found, and explained, after the network
        interpolated: npt.NDArray[Any] = down.matrix @ normalised @ across.matrix.T
    return interpolated
