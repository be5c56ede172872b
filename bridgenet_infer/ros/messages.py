"""sensor_msgs/Image, CompressedImage and CameraInfo of ROS 1 and ROS 2 from and to arrays, without cv_bridge.

Messages are anything with the fields of their ROS definition, so these functions need no ROS installation.
"""

from __future__ import annotations

import copy
import struct
import sys
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array

from ..geometry import scale_intrinsics
from .rvl import decode_rvl

# encoding -> dtype, channels, and where red, green and blue lie among them
ENCODINGS: dict[str, tuple[type[np.generic], int, tuple[int, int, int] | None]] = {
    "16UC1": (np.uint16, 1, None),
    "mono16": (np.uint16, 1, None),
    "32FC1": (np.float32, 1, None),
    "mono8": (np.uint8, 1, None),
    "8UC1": (np.uint8, 1, None),
    "rgb8": (np.uint8, 3, (0, 1, 2)),
    "bgr8": (np.uint8, 3, (2, 1, 0)),
    "rgba8": (np.uint8, 4, (0, 1, 2)),
    "bgra8": (np.uint8, 4, (2, 1, 0)),
    "8UC3": (np.uint8, 3, (2, 1, 0)),  # OpenCV's order, as cv_bridge has it
    "8UC4": (np.uint8, 4, (2, 1, 0)),
}
# encodings that are only read -> dtype, channels, and OpenCV's conversion to red, green and blue
CONVERTED: dict[str, tuple[type[np.generic], int, int]] = {
    **{name: (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY) for name in ("yuv422", "uyvy")},
    **{name: (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2) for name in ("yuv422_yuy2", "yuyv")},
    **{
        f"bayer_{order}{bits}": (dtype, 1, getattr(cv2, f"COLOR_Bayer{order.upper()}2RGB"))
        for order in ("rggb", "bggr", "gbrg", "grbg")
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
}
LEAST_BAYER = 3  # rows and columns: OpenCV answers black for fewer
DEFAULT_ENCODINGS = {("uint16", 1): "16UC1", ("float32", 1): "32FC1", ("uint8", 1): "mono8", ("uint8", 3): "rgb8"}
DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
DEPTH_HEADER = struct.Struct("<iff")  # compressedDepth: format, and both quantisation parameters
DEPTH_MAX, DEPTH_QUANTISATION = 10.0, 100.0  # defaults of compressed_depth_image_transport


class ImageMessage(Protocol):
    """Fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedMessage(Protocol):
    """Fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


def stamp_of(message: Any) -> int:
    """The header's stamp in nanoseconds, of ROS 1 or 2."""
    stamp = message.header.stamp
    seconds, nanoseconds = (stamp.sec, stamp.nanosec) if hasattr(stamp, "sec") else (stamp.secs, stamp.nsecs)
    return int(seconds) * 10**9 + int(nanoseconds)


def to_array(message: Any) -> Array:
    """Pixels of an Image or a CompressedImage message; see `image_to_array` and `compressed_to_array`."""
    return image_to_array(message) if hasattr(message, "encoding") else compressed_to_array(message)


def image_to_array(message: ImageMessage) -> Array:
    """Pixels of an Image message.

    Returns
    -------
    (H, W) uint8, uint16 or float32, or (H, W, 3) uint8, of Bayer with 16 bits uint16, in the order red, green, blue;
    native byte order. A view of the message's data where that is possible, else a copy.

    Raises
    ------
    ValueError
        If the encoding is none of `ENCODINGS` and `CONVERTED`, its conversion does not take the size, or the data are
        shorter than the message says.
    """
    conversion = CONVERTED.get(message.encoding)
    dtype, channels, order = (*conversion[:2], None) if conversion else _layout(message.encoding)
    stored = np.dtype(dtype).newbyteorder(">" if message.is_bigendian else "<")
    row = message.width * channels * stored.itemsize
    if message.step < row:
        raise ValueError(f"a step of {message.step} bytes cannot hold {message.width} pixels {message.encoding}")
    flat = _bytes(message.data)
    if len(flat) < message.step * message.height:
        raise ValueError(f"{len(flat)} bytes of data, expected {message.step} x {message.height}")
    rows = flat[: message.step * message.height].reshape(message.height, message.step)[:, :row]
    if row != message.step:
        rows = np.ascontiguousarray(rows)
    pixels = rows.view(stored).reshape(message.height, message.width, channels)
    if not stored.isnative:
        pixels = pixels.astype(dtype)
    if conversion:
        return _convert(pixels, conversion[2], message.encoding)
    shown: Array = pixels[..., 0] if order is None else pixels[..., order]
    return shown


def _convert(pixels: Array, code: int, encoding: str) -> Array:
    """YUV 4:2:2 or Bayer to red, green and blue."""
    height, width, channels = pixels.shape
    if width % 2 if channels == 2 else min(height, width) < LEAST_BAYER:
        needs = "an even width" if channels == 2 else f"at least {LEAST_BAYER} rows and columns"
        raise ValueError(f"{encoding} needs {needs}, got {width} x {height}")
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), code))


def image_fields(array: Array, encoding: str | None = None) -> dict[str, Any]:
    """Fields of an Image message, all but the header, from an array.

    Parameters
    ----------
    array
        (H, W) uint8, uint16 or float32, or (H, W, 3) uint8 in the order red, green, blue.
    encoding
        One of `ENCODINGS`; by default 16UC1, 32FC1, mono8 or rgb8. An alpha channel is filled with 255.

    Raises
    ------
    ValueError
        If there is no such encoding, or it does not fit the array.
    """
    channels = 1 if array.ndim == 2 else array.shape[-1]
    encoding = encoding or DEFAULT_ENCODINGS.get((array.dtype.name, channels))
    if encoding is None:
        raise ValueError(f"no encoding for {array.dtype} {array.shape}")
    dtype, stored_channels, order = _layout(encoding)
    if array.dtype != dtype or array.ndim not in (2, 3) or channels != (1 if order is None else 3):
        raise ValueError(f"{array.dtype} {array.shape} cannot be sent as {encoding}")
    if order is not None:
        pixels = np.full((*array.shape[:2], stored_channels), 255, np.uint8)
        pixels[..., order] = array
    else:
        pixels = np.ascontiguousarray(array)
    return {
        "height": array.shape[0],
        "width": array.shape[1],
        "encoding": encoding,
        "is_bigendian": int(sys.byteorder == "big"),
        "step": array.shape[1] * stored_channels * np.dtype(dtype).itemsize,
        "data": pixels.tobytes(),
    }


def compressed_to_array(message: CompressedMessage) -> Array:
    """Pixels of a CompressedImage message: JPEG, PNG, or compressedDepth in PNG or RVL.

    The data decide what it is, since publishers write formats of many kinds. A format is asked only for what the data
    do not say: whether 16 bits are depth or inverse depth.

    Returns
    -------
    (H, W, 3) uint8 in the order red, green, blue; (H, W) uint8 or uint16; or, of compressedDepth with 32FC1, (H, W)
    float32 with holes as NaN (inverse depth in 16 bits: lossy, finer near by).

    Raises
    ------
    ValueError
        If the data are no such image, or of another dtype than the depth that the format names.
    """
    data, encoding = _bytes(message.data), message.format.partition(";")[0].strip()
    start = data[: DEPTH_HEADER.size + len(PNG)].tobytes()
    bare = start.startswith((PNG, JPEG))
    if bare or not (start.endswith(PNG) or "compressedDepth" in message.format):
        pixels = _decode(data, message.format)
        found = str(pixels.dtype) if pixels.ndim == 2 else f"{pixels.dtype} of {pixels.shape[2]} channels"
        if encoding in DEPTH_ENCODINGS and (pixels.ndim != 2 or pixels.dtype != np.uint16 or encoding == "32FC1"):
            raise ValueError(f"{len(data)} bytes of {message.format!r} hold {found}, which is no {encoding}")
        return pixels
    if len(data) <= DEPTH_HEADER.size:
        raise ValueError(f"compressedDepth with {len(data)} bytes")
    _, a, b = DEPTH_HEADER.unpack(data[: DEPTH_HEADER.size].tobytes())
    packed = data[DEPTH_HEADER.size :]
    code = _decode(packed, message.format) if start.endswith(PNG) else decode_rvl(packed.tobytes())
    if code.ndim != 2 or code.dtype != np.uint16:
        raise ValueError(
            f"{len(data)} bytes of {message.format!r} hold {code.dtype} {code.shape}, not 16 bits of depth"
        )
    quantised = bool(np.isfinite([a, b]).all() and a > 1 and b < 1)  # of 16UC1 some publishers leave both as they come
    if encoding == "32FC1" and not quantised:
        raise ValueError(f"{len(data)} bytes of {message.format!r} have no quantisation for 32FC1, but {a:g} and {b:g}")
    if encoding in ("16UC1", "mono16") or not quantised:
        return code
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = a / (code.astype(np.float64) - b)
    return np.where(code > 0, depth, np.nan).astype(np.float32)


def compressed_fields(array: Array, kind: str = "png") -> dict[str, Any]:
    """Fields of a CompressedImage message, all but the header.

    Parameters
    ----------
    array
        As for `image_fields`.
    kind
        "jpeg" and "png" for uint8 images, "png" for uint16 too, "compressedDepth" for uint16 and float32 depth.

    Raises
    ------
    ValueError
        If the kind does not fit the array.
    """
    if kind == "compressedDepth":
        return _compressed_depth(array)
    fits = array.dtype == np.uint8 or (kind == "png" and array.dtype == np.uint16 and array.ndim == 2)
    if kind not in ("jpeg", "png") or not fits:
        raise ValueError(f"{array.dtype} {array.shape} cannot be sent as {kind!r}")
    encoding = image_fields(array)["encoding"]
    pixels = array if array.ndim == 2 else array[..., ::-1]
    return {"format": f"{encoding}; {kind} compressed bgr8" if array.ndim == 3 else f"{encoding}; {kind} compressed ",
            "data": _encode(".jpg" if kind == "jpeg" else ".png", pixels)}  # fmt: skip


Info = TypeVar("Info")


def scale_camera_info(info: Info, scale: float) -> Info:
    """A copy of a CameraInfo message (ROS 1 or 2) for images resized by `scale`.

    fx and fy times the scale, principal point by the half-pixel rule; distortion and rectification stay, binning and
    region of interest are scaled.
    """
    scaled = copy.deepcopy(info)
    for field in ("height", "width"):
        setattr(scaled, field, round(getattr(info, field) * scale))
    for name, columns in (("k", 3), ("p", 4)):
        field = name if hasattr(info, name) else name.upper()
        setattr(scaled, field, _scale_matrix(getattr(info, field), columns, scale))
    roi = getattr(scaled, "roi", None)
    if roi is not None:
        for field in ("x_offset", "y_offset", "height", "width"):
            setattr(roi, field, round(getattr(roi, field) * scale))
    return scaled


def _scale_matrix(values: Sequence[float], columns: int, scale: float) -> Any:
    matrix = np.array(values, np.float64).reshape(3, columns)
    if not matrix.any():  # an uncalibrated camera
        return values
    flat = scale_intrinsics(matrix, scale).flatten()
    return flat if isinstance(values, np.ndarray) else flat.tolist()


def _compressed_depth(array: Array) -> dict[str, Any]:
    if array.ndim != 2 or array.dtype not in (np.uint16, np.float32):
        raise ValueError(f"{array.dtype} {array.shape} cannot be sent as 'compressedDepth'")
    if array.dtype == np.uint16:
        header, code, encoding = DEPTH_HEADER.pack(0, 0.0, 0.0), array, "16UC1"
    else:
        a = DEPTH_QUANTISATION * (DEPTH_QUANTISATION + 1)
        b = 1 - a / DEPTH_MAX
        valid = np.isfinite(array) & (array > 0) & (array < DEPTH_MAX)
        code = np.where(valid, np.clip(a / np.where(valid, array, 1) + b + 0.5, 0, 65535), 0).astype(np.uint16)
        header, encoding = DEPTH_HEADER.pack(0, a, b), "32FC1"
    return {"format": f"{encoding}; compressedDepth png", "data": header + _encode(".png", code)}


def _layout(encoding: str) -> tuple[type[np.generic], int, tuple[int, int, int] | None]:
    try:
        return ENCODINGS[encoding]
    except KeyError:
        raise ValueError(f"encoding {encoding!r} is none of {', '.join((*ENCODINGS, *CONVERTED))}") from None


def _bytes(data: Any) -> npt.NDArray[np.uint8]:
    """Message data (bytes, list, array.array or NumPy) as a flat array, without a copy where possible."""
    if isinstance(data, np.ndarray):
        return data.reshape(-1).view(np.uint8)
    if isinstance(data, Sequence) and not isinstance(data, bytes | bytearray | memoryview):
        return np.array(data, np.uint8)
    return np.frombuffer(data, np.uint8)


def _decode(data: npt.NDArray[np.uint8], kind: str) -> Array:
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except cv2.error as error:  # of headers that lie
        raise ValueError(f"{len(data)} bytes of {kind!r} cannot be decoded: {error}") from error
    if pixels is None:
        raise ValueError(f"{len(data)} bytes of {kind!r} cannot be decoded")
    if pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[..., 2::-1])


def _encode(suffix: str, pixels: Array) -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels))
    if not done:
        raise ValueError(f"{pixels.dtype} {pixels.shape} cannot be encoded as {suffix}")
    return data.tobytes()
