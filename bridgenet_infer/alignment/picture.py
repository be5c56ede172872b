"""Draw the edges of LR depth on its RGB image, for people to see whether they meet."""

from typing import Any

import cv2
import numpy as np

from ..pipeline.validate import check_depth, check_rgb
from ..visualise import Picture
from .edges import depth_edges

EDGE = (255, 140, 0)
FAINT = 0.6  # of the full strength: weaker edges are not drawn
DIM = 0.6  # of the image's brightness, so that edges stand out


def draw_depth_edges(rgb: Any, lr_depth: Any, *, invalid: float | None = None) -> Picture:
    """The image, dimmed, with the depth edges in orange.

    Parameters
    ----------
    rgb, lr_depth, invalid
        As for `check_alignment`.

    Returns
    -------
    (H, W, 3) uint8 RGB.

    Raises
    ------
    ValueError, TypeError
        If an input is not accepted.
    """
    depth = check_depth(lr_depth, invalid)
    image = np.asarray(check_rgb(rgb, len(depth.raw), depth.batched))[0]
    brightest = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    picture = np.broadcast_to(image * (DIM * 255 / brightest), (*image.shape[:2], 3)).astype(np.uint8)
    strength = np.abs(depth_edges(depth.raw[0], depth.valid[0], (image.shape[0], image.shape[1])))
    picture[cv2.dilate((strength > FAINT).astype(np.uint8), np.ones((2, 2), np.uint8)) > 0] = EDGE
    return picture
