"""The interpolations used for training, serving and scoring: Pillow's bicubic in float, and bilinear for its range."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize like Pillow's BICUBIC on a mode "F" image, antialiased when shrinking.

    Parameters
    ----------
    x
        (B, 1, h, w) float32 or float64.
    size
        (H, W) of the result; the pixel grids share their outer edges.

    Returns
    -------
    (B, 1, H, W), same dtype and device. Equal to Pillow to 1e-5 of the range.
    """
    # antialias=True selects Pillow's kernel (a = -0.5) in both directions; without it torch uses a = -0.75
    return F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False)


def resize_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge (B, C, h, w) to (B, C, H, W) bilinearly, at the sample positions of `resize_bicubic`."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
