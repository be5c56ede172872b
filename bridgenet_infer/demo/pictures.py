"""Depth and errors -> pictures for people: near bright, far dark, holes grey."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..write import HOLE

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]
Span = tuple[float, float]

LONGEST_SIDE = 1280  # of a picture on the page; the result itself keeps its size
SHOWN_PERCENTILES = (1, 99)
ERROR_PERCENTILE = 97  # of bicubic's errors: brighter than that is all the same
DEPTH_COLOURS, ERROR_COLOURS = cv2.COLORMAP_INFERNO, cv2.COLORMAP_MAGMA


def depth_span(depth: Array, valid: Mask) -> Span:
    """The least and greatest depth that colours tell apart; (1, 1) if nothing is valid."""
    values = depth[valid].astype(np.float64)
    if values.size == 0:
        return 1.0, 1.0
    near, far = np.percentile(values, SHOWN_PERCENTILES)
    return float(near), float(far)


def colour_depth(depth: Array, valid: Mask, span: Span) -> Picture:
    """(H, W) depth -> RGB, logarithmic so that a street shows its near field, too.

    Parameters
    ----------
    span
        Of one of the pictures that are to be compared, the same for all.
    """
    near, far = np.log(span[0]), np.log(span[1])
    logarithms = np.log(np.where(valid & (depth > 0), depth, span[1]).astype(np.float64))
    nearness = (far - logarithms) / max(far - near, 1e-12)
    return _paint(nearness, valid, DEPTH_COLOURS)


def colour_error(error: Array, known: Mask, most: float) -> Picture:
    """(H, W) absolute error -> RGB: none is black, `most` and more is brightest."""
    return _paint(error / max(most, 1e-12), known, ERROR_COLOURS)


def error_limit(error: Array, known: Mask) -> float:
    """The error that is painted brightest."""
    return float(np.percentile(error[known], ERROR_PERCENTILE))


def eight_bit(rgb: Array) -> Picture:
    """(H, W, 3) uint8 or uint16 -> uint8."""
    return (rgb >> 8).astype(np.uint8) if rgb.dtype == np.uint16 else rgb.astype(np.uint8)


def fit(picture: Picture, longest: int = LONGEST_SIDE) -> Picture:
    """Shrink a picture to what a page shows; smaller ones stay as they are."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def blocks(picture: Picture, size: tuple[int, int]) -> Picture:
    """Enlarge to (H, W) with every pixel a visible block."""
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def gradient(colours: int, stops: int = 9) -> str:
    """A colour map as a CSS gradient, from its highest value to its lowest."""
    levels = np.linspace(255, 0, stops).astype(np.uint8)[None]
    table = cv2.applyColorMap(levels, colours)[0, :, ::-1]
    return f"linear-gradient(to right, {', '.join(f'rgb({r},{g},{b})' for r, g, b in table.tolist())})"


def _paint(levels: Array, shown: Mask, colours: int) -> Picture:
    bytes_ = (np.clip(levels, 0, 1) * 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(bytes_, colours), cv2.COLOR_BGR2RGB)
    picture[~shown] = HOLE
    return np.asarray(picture, np.uint8)
