"""Running the graph on whole images: padding to its grid and cropping back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .graph import SIZE_MULTIPLE, BridgeNet


def run_network(model: BridgeNet, rgb: Tensor, d_up: Tensor, estimate_depth: bool) -> tuple[Tensor, Tensor | None]:
    """Run the graph on images of any size.

    Parameters
    ----------
    rgb, d_up
        (B, 3, H, W) in [0, 1] and (B, 1, H, W) normalised, float32 on the model's device.
    estimate_depth
        Also return D_DE.

    Returns
    -------
    D_SR (B, 1, H, W) float32, and D_DE likewise or None.
    """
    height, width = rgb.shape[-2:]
    # the border is repeated at the bottom and the right: channel attention pools the padding too
    padding = (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)
    padded = (F.pad(x, padding, mode="replicate").contiguous(memory_format=torch.channels_last) for x in (rgb, d_up))
    d_sr, d_de = model(*padded, estimate_depth)
    return d_sr[..., :height, :width], None if d_de is None else d_de[..., :height, :width].float()
