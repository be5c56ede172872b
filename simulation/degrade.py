"""Make LR depth from exact depth by a kernel, rounded to 8 bits or not, on the CPU or on CUDA."""

import torch
import torch.nn.functional as F
from torch import Tensor

from bridgenet_infer.pipeline.resample import resize_bicubic

PILLOW, NEAREST = "Pillow bicubic", "nearest"
LR_KERNELS = (PILLOW, "OpenCV bicubic", "area", NEAREST)
"""How depth gets small: antialiased bicubic (the published inputs), plain bicubic, block means, their centre pixels."""


def make_lr(truth: Tensor, scale: float, eight_bit: bool, kernel: str = PILLOW) -> Tensor:
    """LR depth of whole images.

    Parameters
    ----------
    truth
        (B, 1, H, W) in grey levels 0..255; whole numbers if `eight_bit`.
    scale
        HR size / LR size, 2 to 16.
    eight_bit
        Round as Pillow and OpenCV do on 8-bit images (Pillow after the horizontal and after the vertical pass).
    kernel
        One of `LR_KERNELS`.

    Raises
    ------
    ValueError
        If there is no such kernel.
    """
    height, width = truth.shape[-2:]
    size = (max(round(height / scale), 1), max(round(width / scale), 1))
    rounded = to_eight_bit if eight_bit else torch.nn.Identity()
    if kernel == PILLOW:
        horizontal = rounded(resize_bicubic(truth, (height, size[1])))
        return rounded(resize_bicubic(horizontal, size))
    if kernel == "OpenCV bicubic":
        return rounded(F.interpolate(truth, size, mode="bicubic", align_corners=False))
    if kernel == "area":
        return rounded(F.interpolate(truth, size, mode="area"))
    if kernel == NEAREST:
        return F.interpolate(truth, size, mode="nearest-exact")
    raise ValueError(f"kernel must be one of {', '.join(LR_KERNELS)}, got {kernel!r}")


def to_eight_bit(x: Tensor) -> Tensor:
    """Grey levels rounded as an 8-bit image holds them; the dtype stays."""
    return (x + 0.5).floor().clamp(0, 255)


def crop(x: Tensor, origin: Tensor, size: int) -> Tensor:
    """(B, C, H, W), (B, 2) integer origins (y, x) -> (B, C, size, size), without host work."""
    steps = torch.arange(size, device=x.device)
    rows = (origin[:, 0, None] + steps)[:, None, :, None]  # B,1,size,1
    columns = (origin[:, 1, None] + steps)[:, None, None, :]  # B,1,1,size
    batch = torch.arange(x.shape[0], device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return x[batch, channel, rows, columns]
