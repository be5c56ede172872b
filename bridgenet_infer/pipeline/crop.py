"""Cut the inputs of one tile out of RGB image and LR depth, without any array larger than a tile."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..backends.devices import upload
from .enlarge import Kernel, bicubic_taps, bilinear_taps, enlarge
from .frame import Frame
from .normalise import normalise
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
    height, width = size = frames[0].size
    window = slice(rows.start, rows.stop), slice(columns.start, columns.stop)

    def enlarged(maps: list[Tensor], kernel: Kernel) -> Tensor:
        return enlarge(maps, size, *window, kernel, device)

    pixels = torch.stack([upload(frame.rgb[window], device) for frame in frames])
    rgb = unit_range(pixels).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    padding = (0, max(columns.stop - width, 0), 0, max(rows.stop - height, 0))
    if any(padding):
        rgb = F.pad(rgb, padding, mode="replicate")
    d_up = enlarged([frame.local.maps[:1] for frame in frames], bicubic_taps)
    mid, reach = torch.split(enlarged([frame.local.maps[1:] for frame in frames], bilinear_taps), 1, 1)
    d_up = normalise(d_up, mid, reach)
    if with_validity:
        seen = [torch.from_numpy(frame.seen.astype(np.float32))[None] for frame in frames]
        d_up = torch.cat((d_up, enlarged(seen, bicubic_taps)), 1)
    return rgb, d_up
