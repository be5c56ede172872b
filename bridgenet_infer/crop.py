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


def crop_tile(
    frames: Sequence[Frame], rows: Span, columns: Span, device: torch.device, with_validity: bool
) -> tuple[Tensor, Tensor]:
    """Network inputs of one tile of several images of one size, made on `device` from bytes and LR samples.

    What reaches beyond the image repeats its last row and column: channel attention pools the padding too.

    Returns
    -------
    rgb (B, 3, h, w) in [0, 1] and D_up (B, 1, h, w) normalised, float32; with validity D_up is (B, 2, h, w).
    """
    (height, width), (low_height, low_width) = frames[0].size, frames[0].raw.shape
    window = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
    pixels = torch.stack([_upload(frame.rgb[window], device) for frame in frames])
    rgb = unit_range(pixels).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    padding = (0, max(columns.stop - width, 0), 0, max(rows.stop - height, 0))
    down = bicubic_taps(low_height, height, rows.start, rows.stop)
    across = bicubic_taps(low_width, width, columns.start, columns.stop)
    samples = np.stack([_channels(frame, down, across, with_validity) for frame in frames])
    # torch, not numpy: OpenBLAS's threads would spin for 30 ms after a product, beside the network
    vertical, lr, horizontal = (_upload(x, device) for x in (down.matrix, samples, across.matrix))
    if any(padding):
        rgb = F.pad(rgb, padding, mode="replicate")
    return rgb, vertical @ lr @ horizontal.T


def _channels(frame: Frame, down: BicubicTaps, across: BicubicTaps, with_validity: bool) -> npt.NDArray[np.float32]:
    """(1 or 2, k, l): the LR samples that the taps read."""
    depth = _normalised(frame, down, across)
    return np.stack((depth, frame.valid[down.reads, across.reads])) if with_validity else depth[None]


def _normalised(frame: Frame, down: BicubicTaps, across: BicubicTaps) -> npt.NDArray[np.float32]:
    """The LR depth that the taps read."""
    patch = frame.filled[down.reads, across.reads]
    return np.zeros(patch.shape, np.float32) if frame.normalisation is None else frame.normalisation.apply(patch)


def _upload(x: npt.NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """To the device without waiting, by way of pinned memory."""
    # copied: callers' arrays may be read-only, reversed or of another byte order
    host = x if isinstance(x, Tensor) else torch.from_numpy(x.astype(x.dtype.newbyteorder("=")))
    if device.type == "cuda" and host.device.type == "cpu":
        host = host.pin_memory()
    return host.to(device, non_blocking=True)
