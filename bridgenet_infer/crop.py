"""The inputs of one tile, cut out of RGB image and LR depth: nothing larger than a tile is made here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from .frame import Frame
from .resample import BicubicTaps, bicubic_taps
from .tile import Span
from .validate import unit_range


def crop_tile(frames: Sequence[Frame], rows: Span, columns: Span, with_validity: bool = False) -> tuple[Tensor, Tensor]:
    """Network inputs of one tile of several images of one size.

    What reaches beyond the image repeats its last row and column: channel attention pools the padding too.

    Returns
    -------
    rgb (B, 3, h, w) in [0, 1] and D_up (B, 1, h, w) normalised, float32 on the host; with validity D_up is
    (B, 2, h, w).
    """
    (height, width), (low_height, low_width) = frames[0].size, frames[0].raw.shape
    pixels = np.stack([f.rgb[rows.start : rows.stop, columns.start : columns.stop] for f in frames])
    rgb = torch.from_numpy(unit_range(pixels)).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    padding = (0, max(columns.stop - width, 0), 0, max(rows.stop - height, 0))
    down = bicubic_taps(low_height, height, rows.start, rows.stop)
    across = bicubic_taps(low_width, width, columns.start, columns.stop)
    planes = [[_interpolate(_normalised(frame, down, across), down, across)] for frame in frames]
    if with_validity:
        for frame, channels in zip(frames, planes, strict=True):
            measured = frame.measured[down.reads, across.reads].astype(np.float32)
            channels.append(_interpolate(measured, down, across))
    if any(padding):
        rgb = F.pad(rgb, padding, mode="replicate")
    return rgb, torch.stack([torch.stack(channels) for channels in planes])


def _normalised(frame: Frame, down: BicubicTaps, across: BicubicTaps) -> npt.NDArray[np.float32]:
    """The LR depth that the taps read."""
    patch = frame.filled[down.reads, across.reads]
    return np.zeros(patch.shape, np.float32) if frame.rule is None else frame.rule.apply(patch)


def _interpolate(patch: npt.NDArray[np.float32], down: BicubicTaps, across: BicubicTaps) -> Tensor:
    # torch, not numpy: OpenBLAS's threads would spin for 30 ms after a product, beside the network
    return torch.from_numpy(down.matrix) @ torch.from_numpy(patch) @ torch.from_numpy(across.matrix).T
