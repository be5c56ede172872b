"""Pictures of where the error lies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
Picture = npt.NDArray[np.uint8]

PANEL_WIDTH = 672  # half of a Middlebury image


def error_map(rgb: Picture, bicubic: Array, ours: Array, truth: Array) -> Picture:
    """RGB | error of bicubic | error of ours | ours, side by side.

    Parameters
    ----------
    rgb
        (H, W, 3) uint8.
    bicubic, ours, truth
        (H, W), one unit. Both errors share one colour scale: black is 0, the brightest the 99.5th percentile
        of bicubic's error or more.
    """
    errors = [np.abs(depth.astype(np.float32) - truth) for depth in (bicubic, ours)]
    brightest = max(float(np.percentile(errors[0], 99.5)), 1e-6)
    low, high = float(truth.min()), float(truth.max())
    panels = [
        rgb,
        *(_coloured(error / brightest, cv2.COLORMAP_INFERNO) for error in errors),
        _coloured((ours.astype(np.float32) - low) / max(high - low, 1e-6), cv2.COLORMAP_VIRIDIS),
    ]
    return np.concatenate([_shrink(panel) for panel in panels], axis=1)


def depth_row(rgb: Picture, depths: Sequence[Array]) -> Picture:
    """RGB and depth maps of one size side by side, one colour scale; holes (0) are black.

    The scale spans the 1st to 99th percentile of the first map's measured pixels.
    """
    first = depths[0][depths[0] > 0].astype(np.float32)
    low, high = np.percentile(first, (1, 99)) if first.size else (0.0, 1.0)
    panels = [rgb]
    for depth in depths:
        coloured = _coloured((depth.astype(np.float32) - low) / max(high - low, 1e-6), cv2.COLORMAP_TURBO)
        panels.append(np.where(depth[..., None] > 0, coloured, 0).astype(np.uint8))
    return np.concatenate([_shrink(panel) for panel in panels], axis=1)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a PNG so that `path` never holds half a file; OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    Image.fromarray(picture).save(partial, format="PNG")
    os.replace(partial, path)


def _coloured(unit: Array, colours: int) -> Picture:
    levels = np.clip(unit * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, colours), cv2.COLOR_BGR2RGB), np.uint8)


def _shrink(panel: Picture) -> Picture:
    height, width = panel.shape[:2]
    if width <= PANEL_WIDTH:
        return panel
    size = (PANEL_WIDTH, round(height * PANEL_WIDTH / width))
    return np.asarray(cv2.resize(panel, size, interpolation=cv2.INTER_AREA), np.uint8)
