"""Read RGB and depth files. Every error names the path of the file."""

import io
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bridgenet_infer.arrays import Array

from .tiff import HEIGHT, WIDTH, TiffHeader, is_tiff, stored_depth, stored_image

PIL_DEPTH_MODES = {"L": np.uint8, "I;16": np.uint16, "I;16L": np.uint16, "I;16B": np.uint16, "I": np.int32,
                   "F": np.float32}  # fmt: skip
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")  # Pillow would also hand PostScript to another program
MAX_INFLATED = 2**30  # bytes by which an archive's member may grow: a few megabytes could ask for all memory
PNG_BITS = 24  # the place of the bits per sample in a PNG
PFM_SCALE = re.compile(rb"(P[Ff]\s+\d+\s+\d+\s+)([+-]?[\d.]+(?:[eE][+-]?\d+)?)(?=\s)")
PNM_LARGEST = re.compile(rb"P[2356](?:(?:\s|#[^\n]*\n)+\d+){2}(?:\s|#[^\n]*\n)+(\d+)")
RGB_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".npy", ".npz")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz", ".pfm", ".exr")


def read_rgb(path: str | os.PathLike[str]) -> Array:
    """Read a colour image.

    Returns
    -------
    (H, W, 3) uint8 or uint16 in RGB order, turned by no tag (grey is repeated, alpha dropped); an .npy array, or the
    one or the "rgb" of an .npz archive, as it is.

    Raises
    ------
    OSError
        If the file is missing, damaged, no image, larger than 178 megapixels (Pillow's limit), or inflates by more than
        1 GiB (.npz).
    ValueError
        If its suffix or pixel type is not supported, it has several pages, or its numbers cannot be read as stored.

    Warns
    -----
    UserWarning, SyntaxWarning
        What Pillow and NumPy say of odd tags and headers; DecompressionBombWarning above 89 megapixels.
    """
    path = Path(path)
    _check_suffix(path, RGB_SUFFIXES)
    if path.suffix.lower() in (".npy", ".npz"):
        return _read_numpy(path, "rgb")
    return decode_rgb(path, path.read_bytes())


def decode_rgb(path: Path, encoded: bytes) -> Array:
    """`read_rgb` of the bytes of an image, which the errors call `path`."""
    if is_tiff(encoded):
        with _naming(path):
            encoded = stored_image(TiffHeader(encoded))
    with _open_image(path, encoded, IMAGE_FORMATS) as picture:  # Pillow notices truncation, OpenCV returns what it has
        _check_colours(path, encoded, picture)
    # Pillow reads 16-bit colour as 8 bits only; orientation tags would turn the image away from its depth
    image = _decode(path, encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path}: a colour image must be 8 or 16 bit, got {image.dtype} {image.shape}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_depth(path: str | os.PathLike[str]) -> Array:
    """Read a depth map in the file's own dtype and unit.

    Returns
    -------
    (h, w): the stored numbers, turned by no tag and scaled by no header. uint8 or uint16 from PNG; uint8, uint16,
    uint32, int16, int32, float16, float32 or float64 from TIFF; float32 from PFM and EXR; whatever an .npy file, or the
    one array or "depth" of an .npz archive holds.

    Raises
    ------
    OSError
        If the file is missing, damaged, no image, larger than 178 megapixels (Pillow's limit for PNG and TIFF), or
        inflates by more than 1 GiB (.npz).
    ValueError
        If its suffix is not supported (EXR: by this OpenCV), it has several channels or pages, or its samples have
        another size; names the dtype or the tag.

    Warns
    -----
    UserWarning, SyntaxWarning
        As `read_rgb`.
    """
    path = Path(path)
    _check_suffix(path, DEPTH_SUFFIXES)
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        depth = _read_numpy(path, "depth")
    elif suffix in (".pfm", ".exr"):
        depth = _read_pfm(path, path.read_bytes())
        if depth.dtype != np.float32:  # OpenCV goes by the content
            raise OSError(f"{path}: holds {depth.dtype}, so it is no {suffix} file")
    else:
        depth = _read_depth_image(path)
    if depth.ndim != 2:
        raise ValueError(f"{path}: depth must be (h, w), got {depth.dtype} {depth.shape}")
    return depth


def exr_supported() -> bool:
    """Whether this OpenCV was built with EXR; many of its wheels were not."""
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # OpenCV asks at the first use of EXR
    return bool(cv2.haveImageWriter("depth.exr"))


def require_codec(path: Path) -> None:
    """ValueError if a path needs EXR and there is none."""
    if path.suffix.lower() == ".exr" and not exr_supported():
        raise ValueError(f"{path}: this OpenCV was built without EXR; use .pfm, .tif or .npy")


def _read_depth_image(path: Path) -> Array:
    encoded = path.read_bytes()
    if is_tiff(encoded):
        return _read_depth_tiff(path, encoded)
    with _open_image(path, encoded, ("PNG",)) as image:
        if image.mode not in PIL_DEPTH_MODES:
            raise ValueError(
                f"{path}: depth must have one channel, got an image of mode {image.mode}, {image.size}; if its "
                "channels are equal, keep one of them; a picture in false colours is no depth"
            )
        if (bits := encoded[PNG_BITS]) not in (8, 16):  # Pillow multiplies fewer, up to 255
            raise ValueError(f"{path}: depth must have 8 or 16 bits, got a PNG of {bits}")
        _check_single(path, image, "depth")
        return np.asarray(image).astype(PIL_DEPTH_MODES[image.mode], copy=False)


def _read_depth_tiff(path: Path, encoded: bytes) -> Array:
    with _naming(path):
        header = TiffHeader(encoded)
        size, limit = (header[HEIGHT], header[WIDTH]), Image.MAX_IMAGE_PIXELS
        if limit is not None and size[0] * size[1] > 2 * limit:  # as Pillow has it
            raise OSError(f"cannot be read as an image: {size[1]} x {size[0]} are more than {2 * limit} pixels")
        plain, dtype = stored_depth(header)
    depth = _decode(path, plain, cv2.IMREAD_UNCHANGED)
    if dtype == "float16" and depth.dtype == np.uint16:
        depth = depth.view(np.float16)
    if depth.dtype != dtype or depth.shape != size:
        raise OSError(f"{path}: holds {depth.dtype} {depth.shape}, its header says {dtype} {size}")
    return depth


def _read_pfm(path: Path, encoded: bytes) -> Array:
    """OpenCV divides by the scale factor of a header, whose sign is the byte order."""
    if header := PFM_SCALE.match(encoded):
        sign = b"-" if header[2].startswith(b"-") else b""
        encoded = header[1] + sign + b"1" + encoded[header.end() :]
    return _decode(path, encoded, cv2.IMREAD_UNCHANGED)


def _check_colours(path: Path, encoded: bytes, image: Image.Image) -> None:
    """Whether it is one image, whose numbers OpenCV does not scale."""
    if image.format == "PPM":
        largest = PNM_LARGEST.match(encoded)
        if largest is None or int(largest[1]) not in (255, 65535):
            found = f"a largest value of {int(largest[1])}" if largest else f"the kind {encoded[:2]!r}"
            raise ValueError(f"{path}: PPM and PGM must be P2, P3, P5 or P6 up to 255 or 65535, got {found}")
    if image.format in ("PNG", "WEBP"):  # films; a telephone's JPEG may hold previews, a TIFF's pages are counted
        _check_single(path, image, "a colour image")


def _check_single(path: Path, image: Image.Image, name: str) -> None:
    try:
        pages = int(getattr(image, "n_frames", 1))
    except Exception as error:  # the other pages' headers are read here
        raise OSError(f"{path}: its pages cannot be counted: {error}") from error
    if pages != 1:
        raise ValueError(f"{path}: {name} must have one page, got {pages}")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors name the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error


def _open_image(path: Path, encoded: bytes, formats: tuple[str, ...]) -> Image.Image:
    """A fully decoded Pillow image; every way in which that can fail becomes an OSError."""
    try:
        with Image.open(io.BytesIO(encoded), formats=formats) as image:
            image.verify()  # PNG checksums, which decoding skips
        image = Image.open(io.BytesIO(encoded), formats=formats)
        image.load()
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error, ValueError, ... on damage
        raise OSError(f"{path}: cannot be read as an image: {error}") from error
    return image


def _decode(path: Path, encoded: bytes, flags: int) -> Array:
    """OpenCV's decoder, on bytes: its file reader does not say why it failed."""
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags) if encoded else None
    except cv2.error as error:
        raise OSError(f"{path}: cannot be decoded: {error}") from error
    if image is None:
        raise OSError(f"{path}: cannot be decoded as an image")
    return image


def _read_numpy(path: Path, key: str) -> Array:
    """An .npy array, or from an .npz archive the one named `key` or the only one."""
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            array = loaded if isinstance(loaded, np.ndarray) else _read_member(loaded, key)
        except Exception as error:  # a damaged header can raise nearly anything, MemoryError included
            kind = "archive" if zipfile.is_zipfile(path) else "array"
            raise OSError(f"{path}: cannot be read as a NumPy {kind}: {error}") from error
        if array is None:
            raise ValueError(f"{path}: needs one array, or one named {key!r}, it has {loaded.files}")
    return array


def _read_member(archive: Any, key: str) -> Array | None:
    """None if there is no such array; NumPy's own reader takes what is no array for bytes."""
    names = archive.files
    if key not in names and len(names) != 1:
        return None
    name = key if key in names else names[0]
    member = next(info for info in archive.zip.infolist() if info.filename.removesuffix(".npy") == name)
    if member.file_size - member.compress_size > MAX_INFLATED:
        raise ValueError(f"{name!r} inflates from {member.compress_size} to {member.file_size} bytes")
    array: Array = archive[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name!r} is no array")
    return array


def _check_suffix(path: Path, supported: tuple[str, ...]) -> None:
    suffix = path.suffix.lower()
    if suffix not in supported:
        raise ValueError(f"{path}: suffix {path.suffix!r} is not one of {', '.join(supported)}")
    require_codec(path)
