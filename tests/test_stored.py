"""Readers give the numbers, the order and the dtype that a file stores, or refuse it by name."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bridgenet_infer.read import read_depth, read_rgb
from bridgenet_infer.tiff import CHANNELS, EXTRA, ORIENTATION, PHOTOMETRIC, SAMPLE_FORMAT
from robustness.files.lies import png
from testing.tiffs import tiff_bytes

DEPTH = np.arange(600, 612).reshape(3, 4)
COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def depth_of(folder: Path, name: str, payload: bytes) -> np.ndarray:
    (folder / name).write_bytes(payload)
    return read_depth(folder / name)


def rgb_of(folder: Path, name: str, payload: bytes) -> np.ndarray:
    (folder / name).write_bytes(payload)
    return read_rgb(folder / name)


def saved(image: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_tags_turn_no_tiff(tmp_path: Path, turn: int) -> None:
    depth = DEPTH.astype(np.uint16)
    payload = saved(depth, "TIFF", tiffinfo={ORIENTATION: turn})
    assert np.array_equal(depth_of(tmp_path, "d.tif", payload), depth)
    for compression in (None, "tiff_lzw"):
        payload = saved(COLOURS, "TIFF", tiffinfo={ORIENTATION: turn}, compression=compression)
        assert np.array_equal(rgb_of(tmp_path, "c.tif", payload), COLOURS)


@pytest.mark.parametrize(("order", "big"), [("<", False), ("<", True), (">", False)])
def test_tiffs_of_both_byte_orders_and_sizes(tmp_path: Path, order: str, big: bool) -> None:
    depth = DEPTH.astype(f"{order}u2")
    payload = io.BytesIO()
    image = Image.frombytes("I;16" if order == "<" else "I;16B", (4, 3), depth.tobytes())
    image.save(payload, "TIFF", big_tiff=big, tiffinfo={ORIENTATION: 3})
    back = depth_of(tmp_path, "d.tif", payload.getvalue())
    assert back.dtype == np.uint16
    assert np.array_equal(back, DEPTH)


@pytest.mark.parametrize("white", [0, 1])
def test_depth_is_not_inverted_where_white_is_zero(tmp_path: Path, white: int) -> None:
    for dtype in (np.uint8, np.uint16):
        depth = (DEPTH - 590).astype(dtype)
        payload = tiff_bytes(4, 3, depth.itemsize * 8, [depth.tobytes()], {PHOTOMETRIC: white})
        assert np.array_equal(depth_of(tmp_path, "d.tif", payload), depth)


@pytest.mark.parametrize(
    ("bits", "tags", "words"),
    [
        (12, {}, "BitsPerSample 12, SampleFormat 1"),
        (4, {}, "BitsPerSample 4"),
        (1, {}, "BitsPerSample 1"),
        (8, {SAMPLE_FORMAT: 2}, "BitsPerSample 8, SampleFormat 2"),
        (64, {}, "BitsPerSample 64"),
        (64, {SAMPLE_FORMAT: 6}, "SampleFormat 6"),
        (8, {PHOTOMETRIC: 3}, "PhotometricInterpretation 3"),
        (8, {CHANNELS: 3}, "one channel, got 3"),
    ],
)
def test_other_samples_are_refused_by_their_tags(tmp_path: Path, bits: int, tags: dict[int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        depth_of(tmp_path, "d.tif", tiff_bytes(4, 3, bits, [bytes(400)], tags))


def test_images_of_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(COLOURS), Image.fromarray(255 - COLOURS)]
    for kind, name in (("TIFF", "c.tif"), ("PNG", "c.png"), ("WEBP", "c.webp")):
        pages[0].save(tmp_path / name, kind, save_all=True, append_images=pages[1:])
        with pytest.raises(ValueError, match="one page"):
            read_rgb(tmp_path / name)
    deep = [Image.fromarray(DEPTH.astype(np.uint16) + number) for number in range(2)]
    deep[0].save(tmp_path / "d.tif", save_all=True, append_images=deep[1:])
    with pytest.raises(ValueError, match="one page"):
        read_depth(tmp_path / "d.tif")


def test_overviews_are_no_pages(tmp_path: Path) -> None:
    whole, small = (Image.fromarray(DEPTH.astype(np.uint16)[::step, ::step]) for step in (1, 2))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "d.tif", save_all=True, append_images=[small])
    assert np.array_equal(read_depth(tmp_path / "d.tif"), DEPTH)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_pngs_of_few_bits_are_refused_as_depth(tmp_path: Path, bits: int) -> None:
    payload = png(4, 3, bits, 0, zlib.compress(3 * b"\0\x1b\x1b"[: 1 + (4 * bits + 7) // 8]))
    with pytest.raises(ValueError, match=f"PNG of {bits}|mode 1"):
        depth_of(tmp_path, "d.png", payload)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "WEBP"])
def test_depth_that_is_no_png_inside_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OSError, match=r"d\.png"):
        depth_of(tmp_path, "d.png", saved((DEPTH - 590).astype(np.uint8), kind))


@pytest.mark.parametrize("scale", ["-0.5", "-1", "1", "0.003922", "-2e2", "1.0"])
def test_the_scale_of_a_pfm_changes_no_number(tmp_path: Path, scale: str) -> None:
    stored = DEPTH[::-1].astype("<f4" if scale[0] == "-" else ">f4")
    depth = depth_of(tmp_path, "d.pfm", f"Pf\n4 3\n{scale}\n".encode() + stored.tobytes())
    assert np.array_equal(depth, DEPTH)


def test_gamma_and_significant_bits_change_no_number(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    extra = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"sBIT", b"\x0a")
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in DEPTH.astype(">u2")))
    payload = png(4, 3, 16, 0, rows, extra)
    assert np.array_equal(depth_of(tmp_path, "d.png", payload), DEPTH)
    assert np.array_equal(rgb_of(tmp_path, "c.png", payload)[..., 0], DEPTH)


@pytest.mark.parametrize("declared", [1, 2])
def test_alpha_of_a_tiff_is_dropped_and_darkens_nothing(tmp_path: Path, declared: int) -> None:
    pixels = np.dstack([COLOURS, COLOURS[..., 0] // 2])
    payload = tiff_bytes(30, 20, 8, [pixels.tobytes()], {PHOTOMETRIC: 2, CHANNELS: 4, EXTRA: declared})
    assert np.array_equal(rgb_of(tmp_path, "c.tif", payload), COLOURS)


@pytest.mark.parametrize(
    ("photometric", "channels", "words"),
    [(2, 3, "PlanarConfiguration 2"), (0, 1, "PhotometricInterpretation 0"), (8, 3, "PhotometricInterpretation 8")],
)
def test_deep_guides_that_opencv_changes_are_refused(
    tmp_path: Path, photometric: int, channels: int, words: str
) -> None:
    deep = COLOURS.astype(np.uint16) * 257
    planes = [deep[..., index].tobytes() for index in range(channels)]
    payload = tiff_bytes(30, 20, 16, planes, {PHOTOMETRIC: photometric, CHANNELS: channels})
    with pytest.raises(ValueError, match=words):
        rgb_of(tmp_path, "c.tif", payload)


def test_guides_of_12_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 or 16 bit, got BitsPerSample 12"):
        rgb_of(tmp_path, "c.tif", tiff_bytes(30, 20, 12, [bytes(900)], {}))


@pytest.mark.parametrize(("suffix", "options"), [(".webp", {"lossless": True}), (".ppm", {}), (".png", {})])
def test_guides_come_out_as_stored(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    Image.fromarray(COLOURS).save(tmp_path / f"c{suffix}", **options)
    assert np.array_equal(read_rgb(tmp_path / f"c{suffix}"), COLOURS)


def test_portable_maps_are_read_to_16_bits(tmp_path: Path) -> None:
    deep = COLOURS.astype(np.uint16) * 257
    payload = b"P6 # a comment\n30 20\n65535\n" + deep.astype(">u2").tobytes()
    assert np.array_equal(rgb_of(tmp_path, "c.ppm", payload), deep)
    grey = rgb_of(tmp_path, "c.pgm", b"P5\n30 20 255\n" + COLOURS[..., 0].tobytes())
    assert np.array_equal(grey, np.dstack([COLOURS[..., 0]] * 3))
    with pytest.raises(ValueError, match="largest value of 1000"):
        rgb_of(tmp_path, "c.pgm", b"P5\n2 1\n1000\n" + bytes(4))


def test_telephone_jpegs_are_not_turned_and_may_have_previews(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    smooth = cv2.GaussianBlur(COLOURS, (0, 0), 3)
    for kind, name in (("JPEG", "c.jpg"), ("MPO", "m.jpg"), ("WEBP", "w.webp")):
        more = {"save_all": True, "append_images": [Image.fromarray(smooth)]} if kind == "MPO" else {}
        Image.fromarray(smooth).save(tmp_path / name, kind, exif=exif, quality=95, **more)
        assert np.abs(read_rgb(tmp_path / name).astype(int) - smooth).mean() < 8
