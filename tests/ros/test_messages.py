"""ROS messages from and to arrays: every encoding, padding, byte order, and what must be refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.ros.messages import (
    ENCODINGS,
    compressed_fields,
    compressed_to_array,
    image_fields,
    image_to_array,
    scale_camera_info,
)


def random_image(encoding: str, height: int, width: int, seed: int) -> np.ndarray:
    dtype, channels, _ = ENCODINGS[encoding]
    shape = (height, width) if channels == 1 else (height, width, 3)
    rng = np.random.default_rng(seed)
    if dtype is np.float32:
        return rng.uniform(0.3, 9, shape).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def message(**fields: Any) -> Any:
    return SimpleNamespace(**fields)


@given(
    st.sampled_from(list(ENCODINGS)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 7), st.booleans(),
    st.sampled_from([bytes, list, np.array, bytearray]),
)  # fmt: skip
def test_images_come_back_from_every_layout(
    encoding: str, height: int, width: int, padding: int, big: bool, container: Any
) -> None:
    array = random_image(encoding, height, width, seed=padding)
    fields = image_fields(array, encoding)
    assert fields["step"] * height == len(fields["data"])
    rows = np.frombuffer(fields["data"], np.uint8).reshape(height, -1)
    if big:
        size = np.dtype(ENCODINGS[encoding][0]).itemsize
        rows = rows.reshape(height, -1, size)[..., ::-1].reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    data = padded.ravel() if container is np.array else container(padded.tobytes())
    sent = message(**{**fields, "step": fields["step"] + padding, "is_bigendian": int(big), "data": data})
    received = image_to_array(sent)
    assert received.dtype == array.dtype
    assert received.dtype.isnative
    assert np.array_equal(received, array)


def test_colours_keep_their_place() -> None:
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 200
    assert image_fields(red, "bgra8")["data"] == bytes([0, 0, 200, 255])
    assert image_fields(red)["encoding"] == "rgb8"
    assert image_fields(red, "bgr8")["data"] == image_fields(red, "8UC3")["data"] == bytes([0, 0, 200])
    assert image_fields(red, "8UC4")["data"] == bytes([0, 0, 200, 255])


def raw_message(pixels: np.ndarray, encoding: str, width: int) -> Any:
    """An Image of rows of samples as the camera sends them, big-endian, with 3 bytes of padding."""
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, 3)), constant_values=77)
    return message(
        height=len(rows), width=width, encoding=encoding, is_bigendian=1, step=rows.shape[1], data=rows.tobytes()
    )


@pytest.mark.parametrize(("first", "encodings"), [(0, ("yuyv", "yuv422_yuy2")), (1, ("uyvy", "yuv422"))])
def test_yuv_is_bt_601(first: int, encodings: tuple[str, str]) -> None:
    colours = {(235, 128, 128): (255, 255, 255), (16, 128, 128): (0, 0, 0), (81, 90, 240): (254, 0, 0),
               (41, 240, 110): (0, 0, 255), (145, 54, 34): (0, 255, 1)}  # fmt: skip
    row = np.array([[y, u, y, v] for y, u, v in colours], np.uint8)
    row = row.reshape(-1, 2)[:, ::-1] if first else row
    for encoding in encodings:
        received = image_to_array(raw_message(np.ascontiguousarray(row).reshape(1, -1), encoding, 2 * len(colours)))
        assert received.dtype == np.uint8
        assert np.abs(received[0, ::2].astype(int) - list(colours.values())).max() <= 1
        assert np.array_equal(received[0, ::2], received[0, 1::2])


@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_bayer_samples_are_the_colours_of_their_order(order: str, bits: int, dtype: type) -> None:
    values = {"r": 200, "g": 100, "b": 50} if bits == 8 else {"r": 60000, "g": 300, "b": 7}
    cell = np.array([values[colour] for colour in order], dtype).reshape(2, 2)
    received = image_to_array(raw_message(np.tile(cell, (3, 4)), f"bayer_{order}{bits}", 8))
    assert received.dtype == dtype
    assert np.array_equal(received, np.broadcast_to(np.array(list(values.values())), (6, 8, 3)))


def test_sizes_that_a_conversion_does_not_take_are_refused() -> None:
    with pytest.raises(ValueError, match="uyvy needs an even width, got 3 x 1"):
        image_to_array(raw_message(np.zeros((1, 6), np.uint8), "uyvy", 3))
    with pytest.raises(ValueError, match="bayer_rggb8 needs at least 3 rows and columns, got 4 x 2"):
        image_to_array(raw_message(np.zeros((2, 4), np.uint8), "bayer_rggb8", 4))


@given(st.integers(0, 1000), st.sampled_from(["png", "compressedDepth"]))
def test_lossless_kinds_come_back_exactly(seed: int, kind: str) -> None:
    depth = random_image("16UC1", 7, 5, seed)
    assert np.array_equal(compressed_to_array(message(**compressed_fields(depth, kind))), depth)
    if kind == "png":
        for encoding in ("rgb8", "mono8"):
            picture = random_image(encoding, 6, 8, seed)
            assert np.array_equal(compressed_to_array(message(**compressed_fields(picture))), picture)


def test_jpeg_keeps_colours() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 220, 40
    fields = compressed_fields(picture, "jpeg")
    assert fields["format"] == "rgb8; jpeg compressed bgr8"
    received = compressed_to_array(message(**fields))
    assert np.abs(received.astype(int) - picture).max() < 12


@given(st.integers(0, 1000))
def test_float_depth_survives_inverse_quantisation(seed: int) -> None:
    depth = random_image("32FC1", 8, 8, seed)
    depth[0, :4] = [0, np.nan, np.inf, 12.0]
    fields = compressed_fields(depth, "compressedDepth")
    assert fields["format"] == "32FC1; compressedDepth png"
    received = compressed_to_array(message(**fields))
    assert received.dtype == np.float32
    assert np.isnan(received[0, :4]).all()
    rest, expected = received[1:], depth[1:]
    assert (np.abs(rest - expected) <= expected**2 / (100 * 101) * 0.51 + 1e-5).all()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"encoding": "nv21"}, "nv21"),
        ({"step": 3}, "cannot hold"),
        ({"data": b"short"}, "5 bytes"),
    ],
)
def test_broken_images_are_refused(fields: dict[str, Any], text: str) -> None:
    good = image_fields(np.ones((4, 4), np.uint16))
    with pytest.raises(ValueError, match=text):
        image_to_array(message(**{**good, **fields}))


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\x00" * 12, b"\x00" * 40])
@pytest.mark.parametrize("kind", ["jpeg", "16UC1; compressedDepth png", "32FC1; compressedDepth"])
def test_broken_compressed_images_are_refused(data: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        compressed_to_array(message(format=kind, data=data))


def test_arrays_that_fit_no_encoding_are_refused() -> None:
    with pytest.raises(ValueError, match="no encoding"):
        image_fields(np.ones((2, 2), np.int64))
    with pytest.raises(ValueError, match="cannot be sent as 32FC1"):
        image_fields(np.ones((2, 2), np.uint16), "32FC1")
    with pytest.raises(ValueError, match="cannot be sent"):
        compressed_fields(np.ones((2, 2), np.uint16), "jpeg")
    with pytest.raises(ValueError, match="cannot be sent"):
        compressed_fields(np.ones((2, 2), np.uint8), "compressedDepth")


@pytest.mark.parametrize("names", [("k", "p"), ("K", "P")])
def test_camera_info_is_scaled_by_the_half_pixel_rule(names: tuple[str, str]) -> None:
    intrinsics = [100.0, 0, 79.5, 0, 110.0, 59.5, 0, 0, 1]
    projection = np.array([100.0, 0, 79.5, -5, 0, 110.0, 59.5, 0, 0, 0, 1, 0])
    roi = SimpleNamespace(x_offset=10, y_offset=20, height=30, width=40, do_rectify=True)
    info = message(height=120, width=160, d=[0.1], roi=roi, **dict(zip(names, (intrinsics, projection), strict=True)))
    scaled = scale_camera_info(info, 4)
    assert (scaled.height, scaled.width) == (480, 640)
    assert getattr(scaled, names[0]) == [400.0, 0, 319.5, 0, 440.0, 239.5, 0, 0, 1]
    assert getattr(scaled, names[1]).tolist() == [400.0, 0, 319.5, -20, 0, 440.0, 239.5, 0, 0, 0, 1, 0]
    assert (scaled.roi.x_offset, scaled.roi.width, scaled.d) == (40, 160, [0.1])
    assert info.height == 120
    assert info.roi.x_offset == 10


def test_an_uncalibrated_camera_stays_uncalibrated() -> None:
    info = message(height=2, width=2, k=[0.0] * 9, p=[0.0] * 12)
    assert scale_camera_info(info, 2).k == [0.0] * 9


def test_png_of_sixteen_bits_is_what_opencv_writes() -> None:
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    data = cv2.imencode(".png", depth)[1].tobytes()
    assert np.array_equal(compressed_to_array(message(format="png", data=data)), depth)
