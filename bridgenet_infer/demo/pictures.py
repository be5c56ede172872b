"""Pictures for the page: eight bits, no larger than a screen, and the colours of a legend."""

import cv2
import numpy as np

from bridgenet_infer.arrays import Array

from ..visualise import Picture

LONGEST_SIDE = 1280  # of a picture on the page; the result itself keeps its size


def eight_bit(rgb: Array) -> Picture:
    """(H, W, 3) uint8 or uint16 -> uint8."""
    return (rgb >> 8).astype(np.uint8) if rgb.dtype == np.uint16 else rgb.astype(np.uint8)


def fit(picture: Picture, longest: int = LONGEST_SIDE) -> Picture:
    """Shrink a picture to the size of a page; smaller ones stay as they are."""
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
