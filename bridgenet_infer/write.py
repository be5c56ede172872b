"""Writing results: atomically, in the dtype that they have, never something half-written."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]

DTYPES_BY_SUFFIX: dict[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".tif": ("uint8", "uint16", "int32", "float32"),
    ".tiff": ("uint8", "uint16", "int32", "float32"),
    ".npy": ("uint8", "uint16", "int32", "float16", "float32", "float64"),
}


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
    if name not in DTYPES_BY_SUFFIX.get(path.suffix.lower(), ()):
        able = [suffix for suffix, dtypes in DTYPES_BY_SUFFIX.items() if name in dtypes]
        raise ValueError(f"{path}: {path.suffix or 'no suffix'} cannot hold {name} depth; use {', '.join(able)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: folder {path.parent} does not exist")


def write_depth(path: str | os.PathLike[str], depth: Array) -> None:
    """Write a depth map (H, W) in its own dtype: .png, .tif, .tiff or .npy.

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
    buffer = io.BytesIO()
    if path.suffix.lower() == ".npy":
        np.save(buffer, depth, allow_pickle=False)
    else:
        file_format = "PNG" if path.suffix.lower() == ".png" else "TIFF"
        Image.fromarray(np.ascontiguousarray(depth)).save(buffer, file_format)
    write_atomically(path, buffer.getvalue())


def write_preview(path: str | os.PathLike[str], depth: Array, valid: npt.NDArray[np.bool_]) -> None:
    """Write a coloured 8-bit PNG: near is bright, holes are black; colours span percentiles 2 to 98.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    low, high = np.percentile(depth[valid].astype(np.float64), (2, 98)) if valid.any() else (0.0, 1.0)
    nearness = 1 - (np.where(valid, depth, low).astype(np.float64) - low) / max(high - low, 1e-12)
    levels = (np.clip(nearness, 0, 1) * 255).astype(np.uint8)
    picture = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    picture[~valid] = 0
    _, encoded = cv2.imencode(".png", picture)
    write_atomically(Path(path), encoded.tobytes())


def write_atomically(path: Path, payload: bytes) -> None:
    """Put `payload` at `path` in one step: a crash leaves the old file or none, never a part."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
