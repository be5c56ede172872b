"""Filling of invalid depth, so that interpolation and network see a complete map."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]


def fill_holes(depth: FloatArray, valid: BoolArray) -> FloatArray:
    """Give every invalid pixel the depth of its nearest valid pixel.

    Parameters
    ----------
    depth
        (h, w), any dtype; values where `valid` is False are ignored.
    valid
        (h, w) bool.

    Returns
    -------
    (h, w), same dtype; `depth` itself if it has no hole.

    Raises
    ------
    ValueError
        If no pixel is valid or the shapes differ.
    """
    if depth.ndim != 2 or depth.shape != valid.shape:
        raise ValueError(f"depth and valid must both be (h, w), got {depth.shape} and {valid.shape}")
    if not valid.any():
        raise ValueError(f"all {valid.size} depth pixels are invalid")
    if valid.all():
        return depth
    _, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    source = np.zeros(int(labels.max()) + 1, depth.dtype)
    source[labels[valid]] = depth[valid]
    filled: FloatArray = np.where(valid, depth, source[labels])
    return filled
