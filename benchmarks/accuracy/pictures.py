"""Pictures that show errors and depth beside the RGB image."""

from collections.abc import Sequence

import cv2
import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.visualise import Picture, colourise_depth, colourise_error, depth_span, error_limit

PANEL_WIDTH = 672  # half of a Middlebury image


def error_map(rgb: Picture, bicubic: Array, ours: Array, truth: Array) -> Picture:
    """RGB | error of bicubic | error of ours | ours, side by side.

    Parameters
    ----------
    rgb
        (H, W, 3) uint8.
    bicubic, ours, truth
        (H, W) disparity, one unit. Both errors share one colour scale: black is 0, the brightest the 99.5th percentile
        of bicubic's error or more.
    """
    errors = [np.abs(disparity.astype(np.float32) - truth) for disparity in (bicubic, ours)]
    limit = error_limit(errors[0], np.ones(truth.shape, bool), 99.5)
    panels = [
        rgb,
        *(colourise_error(error, limit) for error in errors),
        colourise_depth(ours, (float(truth.max()), float(truth.min()))),
    ]
    return beside(panels)


def depth_row(rgb: Picture, depths: Sequence[Array]) -> Picture:
    """RGB and depth maps of one size side by side; one colour scale, that of the first map."""
    span = depth_span(depths[0])
    return beside([rgb, *(colourise_depth(depth, span) for depth in depths)])


def beside(panels: Sequence[Picture]) -> Picture:
    """Pictures of one size side by side, none wider than `PANEL_WIDTH`."""
    return np.concatenate([_shrink(panel) for panel in panels], axis=1)


def _shrink(panel: Picture) -> Picture:
    height, width = panel.shape[:2]
    if width <= PANEL_WIDTH:
        return panel
    size = (PANEL_WIDTH, round(height * PANEL_WIDTH / width))
    return np.asarray(cv2.resize(panel, size, interpolation=cv2.INTER_AREA), np.uint8)
