"""Take files from strangers: each is checked before it is decoded, and a refusal names no path."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ..read import IMAGE_FORMATS, read_depth, read_rgb
from ..tiff import HEIGHT, WIDTH, TiffHeader
from .scenes import Inputs

RGB_UPLOADS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DEPTH_UPLOADS = (".png", ".tif", ".tiff", ".npy")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 12_000_000  # a photograph of 4000 x 3000
REFUSALS = (OSError, ValueError, TypeError, ImportError, MemoryError)  # what reading and up-sampling say


def read_inputs(rgb: str | None, depth: str | None, exact: str | None) -> Inputs:
    """Read the uploaded files.

    Raises
    ------
    ValueError
        If one is missing, too large, or of a kind that the demo does not take.
    OSError
        If one is damaged.
    """
    if not rgb or not depth:
        raise ValueError("both an RGB image and its low-resolution depth are needed")
    check_upload(rgb, RGB_UPLOADS)
    for path in filter(None, (depth, exact)):
        check_upload(path, DEPTH_UPLOADS)
    return Inputs(read_rgb(rgb), read_depth(depth), read_depth(exact) if exact else None)


def check_upload(path: str, suffixes: tuple[str, ...]) -> None:
    """Refuse a file that would be too large once decoded, from its head alone.

    Raises
    ------
    ValueError
        If the suffix is not one of `suffixes`, or bytes or pixels are too many.
    OSError
        If it is no PNG, JPEG, BMP, TIFF or NPY file.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise ValueError(f"{path}: the demo takes {', '.join(suffixes)}, not {suffix or 'files without a suffix'}")
    if (size := Path(path).stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path}: {size / 2**20:.0f} MiB; the demo takes {MAX_BYTES // 2**20} MiB at most")
    height, width = _shape(path, suffix)
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"{path}: {width} x {height} pixels; the demo takes {MAX_PIXELS / 1e6:.0f} million at most, the command "
            "bridgenet-upsample any number"
        )


def _shape(path: str, suffix: str) -> tuple[int, int]:
    """(height, width); nothing is decoded."""
    try:
        if suffix == ".npy":
            shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
            return int(np.prod(shape[:-1], dtype=np.int64)), int(shape[-1]) if shape else 1
        if suffix in (".tif", ".tiff"):  # Pillow does not know half and double precision
            header = TiffHeader(Path(path).read_bytes())
            return header[HEIGHT], header[WIDTH]
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            return image.height, image.width
    except Image.DecompressionBombError as error:  # Pillow's limit is far above ours
        raise ValueError(f"{path}: far more than the {MAX_PIXELS / 1e6:.0f} million pixels of the demo") from error
    except Exception as error:  # damaged heads raise nearly anything
        raise OSError(f"{path}: not a readable {suffix[1:].upper()} file") from error


def refusal(error: BaseException, names: Mapping[str | None, str]) -> str:
    """The message that a visitor gets: known paths appear by their role, and no folder is named.

    Parameters
    ----------
    names
        Path -> what it is called on the page.
    """
    if isinstance(error, MemoryError):
        return "not enough memory for images of this size"
    text = " ".join(str(error).split())
    for path, name in names.items():
        if path:
            text = text.replace(path, name)
    text = re.sub(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'\"]+)*[\\/](?=[^\s\\/:'\"]+\.\w)", "", text)
    return text or "the files cannot be used"
