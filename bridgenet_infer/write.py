"""Write depth in its own dtype, and pictures of it."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bridgenet_infer.arrays import Array, Mask

from .files import write_atomically
from .read import require_codec
from .tiff import FLOAT, SAMPLE_FORMAT, TiffHeader
from .visualise import Picture, colourise_depth, colourise_error, depth_span, error_limit

INTEGERS, FLOATS = ("uint8", "uint16", "uint32", "int16", "int32"), ("float16", "float32", "float64")
DTYPES_BY_SUFFIX: dict[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".tif": INTEGERS + FLOATS,
    ".tiff": INTEGERS + FLOATS,
    ".npy": INTEGERS + FLOATS,
    ".npz": INTEGERS + FLOATS,
    ".pfm": ("float32",),
    ".exr": ("float32",),
}
PREVIEW_PERCENTILES = (2, 98)


def check_depth_path(path: str | os.PathLike[str], dtype: npt.DTypeLike) -> None:
    """Whether depth of this dtype can be written to this path; to be asked before any work is done.

    Raises
    ------
    ValueError
        If the suffix is unknown or cannot hold the dtype; names those that can.
    OSError
        If the folder does not exist.
    """
    path, name = Path(path), np.dtype(dtype).name
    if not can_hold(path.suffix, name):
        able = [suffix for suffix, dtypes in DTYPES_BY_SUFFIX.items() if name in dtypes]
        if not able:
            raise ValueError(f"{path}: no file holds {name} depth; make it uint16, int32 or float32")
        raise ValueError(f"{path}: {path.suffix or 'no suffix'} cannot hold {name} depth; use {', '.join(able)}")
    require_codec(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: folder {path.parent} does not exist")


def can_hold(suffix: str, dtype: npt.DTypeLike) -> bool:
    """Whether files of this suffix hold depth of this dtype."""
    return np.dtype(dtype).name in DTYPES_BY_SUFFIX.get(suffix.lower(), ())


def write_depth(path: str | os.PathLike[str], depth: Array) -> None:
    """Write a depth map (H, W) in its own dtype: .png, .tif, .tiff, .npy, .npz (as "depth"), .pfm or .exr.

    Raises
    ------
    ValueError
        If the shape is not (H, W) or the suffix cannot hold the dtype.
    OSError
        If the file cannot be written; nothing is left behind then.
    """
    path = Path(path)
    if depth.ndim != 2 or depth.size == 0:
        raise ValueError(f"{path}: depth must be a non-empty (H, W), got shape {depth.shape}")
    check_depth_path(path, depth.dtype)
    write_atomically(path, _encode(path.suffix.lower(), np.ascontiguousarray(depth)))


def _encode(suffix: str, depth: Array) -> bytes:
    if suffix in (".pfm", ".exr"):
        return cv2.imencode(suffix, depth)[1].tobytes()
    if suffix in (".tif", ".tiff"):
        return _encode_tiff(depth)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, depth, allow_pickle=False)
    elif suffix == ".npz":
        np.savez_compressed(buffer, depth=depth)
    else:
        Image.fromarray(depth).save(buffer, "PNG")
    return buffer.getvalue()


def _encode_tiff(depth: Array) -> bytes:
    """OpenCV knows all kinds of samples but half precision, which is the same bits under another tag."""
    half = depth.dtype == np.float16
    samples = depth.view(np.uint16) if half else depth
    encoded = cv2.imencode(".tif", samples, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE])[1]
    return TiffHeader(encoded.tobytes()).replaced({SAMPLE_FORMAT: FLOAT} if half else {})


def write_preview(path: str | os.PathLike[str], depth: Array, valid: Mask, expected_error: Array | None = None) -> None:
    """Write a coloured 8-bit PNG: near is bright, holes are grey; colours span percentiles 2 to 98.

    The expected error, if it is given, stands to the right: large ones are bright.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    span = depth_span(depth, valid, PREVIEW_PERCENTILES)
    picture = colourise_depth(depth, span, valid)
    if expected_error is not None:
        known = valid & np.isfinite(expected_error)
        errors = colourise_error(np.nan_to_num(expected_error), error_limit(expected_error, known), known)
        picture = np.concatenate((picture, errors), axis=1)
    write_picture(path, picture)


def write_picture(path: str | os.PathLike[str], picture: Picture, *, smallest: bool = False) -> None:
    """Write (H, W, 3) uint8 in RGB order as PNG; the smallest file takes some times as long.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind then.
    """
    effort = [cv2.IMWRITE_PNG_COMPRESSION, 9] if smallest else []
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), effort)
    write_atomically(Path(path), encoded.tobytes())
