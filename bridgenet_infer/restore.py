"""Depth in the caller's unit -> the caller's dtype, holes and container."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from .validate import LowResolutionDepth

Array = npt.NDArray[Any]
Restored = npt.NDArray[Any] | Image.Image | Tensor


def nearest(lr: Array, size: tuple[int, int]) -> Array:
    """(..., h, w) -> (..., H, W) by nearest neighbour: the pixel whose area holds the HR pixel's centre."""
    rows, columns = (
        ((np.arange(high) + 0.5) * low / high).astype(np.intp) for low, high in zip(lr.shape[-2:], size, strict=True)
    )
    picked: Array = lr[..., rows[:, None], columns]
    return picked


def to_dtype(depth: Array, dtype: np.dtype[Any]) -> Array:
    """Round (integers), clamp to what the dtype holds, and keep valid depth positive: 0 would be a hole."""
    if dtype.kind in "ui":
        return np.clip(np.floor(depth + 0.5), 1, np.iinfo(dtype).max).astype(dtype)
    limits = np.finfo(dtype)
    return np.clip(depth, limits.tiny, limits.max).astype(dtype)


def restore_holes(depth: Array, received: LowResolutionDepth, fill_holes: bool) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Put the LR holes back, with the very value that marked them.

    Parameters
    ----------
    depth
        (B, H, W) in the received dtype, complete.
    fill_holes
        Keep the filled depth instead; an image without any valid sample stays a hole.

    Returns
    -------
    (B, H, W) depth, and where it is valid.
    """
    size = depth.shape[-2:]
    measured = np.any(received.valid, axis=(1, 2), keepdims=True)
    known = np.broadcast_to(measured, received.valid.shape) if fill_holes else received.valid
    valid = nearest(known, size)
    return np.where(valid, depth, nearest(received.raw, size)), valid


def to_container(batch: Array, received: LowResolutionDepth) -> Restored:
    """(B, H, W) -> the kind of object that the depth came in."""
    array = np.ascontiguousarray(batch if received.batched else batch[0])
    if received.container == "torch":
        return torch.from_numpy(array).to(received.device)
    # a PIL image cannot hold bool (the validity mask)
    if received.container == "pil" and array.dtype != np.bool_:
        return Image.fromarray(array)
    return array
