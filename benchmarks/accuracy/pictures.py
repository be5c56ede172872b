"""Pictures that show errors and depth beside the RGB image."""

from collections.abc import Sequence

import cv2
import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import depth_to_points
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


def cloud_view(depth: Array, rgb: Picture, matrix: Array, turn: float) -> Picture:
    """The point cloud of a depth map, seen from a camera that has gone round its middle; black where nothing is.

    Parameters
    ----------
    depth
        (H, W) float, holes NaN or 0.
    matrix
        (3, 3) of both cameras.
    turn
        Degrees to the right.
    """
    points, colours = depth_to_points(depth, matrix).reshape(-1, 3), rgb.reshape(-1, 3)
    seen = np.isfinite(points).all(1) & (points[:, 2] > 0)
    points, colours = points[seen], colours[seen]
    middle, angle = np.array([0, 0, np.median(points[:, 2])]), np.radians(turn)
    about = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = (points - middle) @ about.T + middle
    front = turned[:, 2] > 0
    turned, colours = turned[front], colours[front]
    places = np.rint((turned @ matrix.T)[:, :2] / turned[:, 2:])
    inside = ((places >= 0) & (places < (depth.shape[1], depth.shape[0]))).all(1)
    order = np.argsort(-turned[inside, 2])  # the nearest is written last
    columns, rows = places[inside][order].astype(np.intp).T
    view = np.zeros_like(rgb)
    view[rows, columns] = colours[inside][order]
    return view


def beside(panels: Sequence[Picture]) -> Picture:
    """Pictures of one size side by side, none wider than `PANEL_WIDTH`."""
    return np.concatenate([_shrink(panel) for panel in panels], axis=1)


def _shrink(panel: Picture) -> Picture:
    height, width = panel.shape[:2]
    if width <= PANEL_WIDTH:
        return panel
    size = (PANEL_WIDTH, round(height * PANEL_WIDTH / width))
    return np.asarray(cv2.resize(panel, size, interpolation=cv2.INTER_AREA), np.uint8)
