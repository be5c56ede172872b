"""Reading RGB and depth files; whatever is wrong with a file is said with its path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from .validate import PIL_DEPTH_MODES

Array = npt.NDArray[Any]
RGB_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy")


def read_rgb(path: str | os.PathLike[str]) -> Array:
    """Read a colour image.

    Returns
    -------
    (H, W, 3) uint8 or uint16 in RGB order (grey is repeated, alpha dropped); an .npy file as it is.

    Raises
    ------
    OSError
        If the file is missing, damaged or no image.
    ValueError
        If its suffix or pixel type is not supported.
    """
    path = Path(path)
    _check_suffix(path, RGB_SUFFIXES)
    if path.suffix.lower() == ".npy":
        return _read_npy(path)
    encoded = np.frombuffer(path.read_bytes(), np.uint8)
    _open_image(path).close()  # Pillow notices truncation, OpenCV returns what it has
    try:
        # Pillow reads 16-bit colour as 8 bits only; orientation tags would turn the image away from its depth
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise OSError(f"{path}: cannot be decoded: {error}") from error
    if image is None:
        raise OSError(f"{path}: cannot be decoded as an image")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path}: a colour image must be 8 or 16 bit, got {image.dtype} {image.shape}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_depth(path: str | os.PathLike[str]) -> Array:
    """Read a depth map in the file's own dtype and unit.

    Returns
    -------
    (h, w): uint8 or uint16 from PNG; uint8, uint16, int32 or float32 from TIFF; whatever an .npy file holds.

    Raises
    ------
    OSError
        If the file is missing, damaged or no image.
    ValueError
        If its suffix is not supported, or it has several channels or pages.
    """
    path = Path(path)
    _check_suffix(path, DEPTH_SUFFIXES)
    if path.suffix.lower() == ".npy":
        depth = _read_npy(path)
        if depth.ndim != 2:
            raise ValueError(f"{path}: depth must be (h, w), got {depth.dtype} {depth.shape}")
        return depth
    with _open_image(path) as image:
        if image.mode not in PIL_DEPTH_MODES:
            raise ValueError(f"{path}: depth must have one channel, got an image of mode {image.mode}, {image.size}")
        if getattr(image, "n_frames", 1) != 1:
            raise ValueError(f"{path}: depth must have one page, got {image.n_frames}")
        return np.asarray(image).astype(PIL_DEPTH_MODES[image.mode])


def _open_image(path: Path) -> Image.Image:
    """A fully decoded Pillow image; every way in which that can fail becomes an OSError."""
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error, ValueError, ... on damage
        raise OSError(f"{path}: cannot be read as an image: {error}") from error
    return image


def _read_npy(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged header can raise nearly anything, MemoryError included
        raise OSError(f"{path}: cannot be read as an .npy array: {error}") from error
    return array


def _check_suffix(path: Path, supported: tuple[str, ...]) -> None:
    if path.suffix.lower() not in supported:
        raise ValueError(f"{path}: suffix {path.suffix!r} is not one of {', '.join(supported)}")
