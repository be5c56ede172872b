"""Own files on the page: each format gives the package's result, and what the package refuses the page refuses too."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.demo.cloud import cloud_file
from bridgenet_infer.demo.compare import bicubic
from bridgenet_infer.demo.intake import MAX_BYTES, check_upload, refusal
from bridgenet_infer.pipeline.validate import check_depth, resolve_scale
from bridgenet_infer.visualise import colourise_depth, depth_span
from bridgenet_infer.write import write_depth
from testing import ROOT
from testing.tiffs import tiff_bytes

DESK = ROOT / "examples" / "desk"
RGB_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".pfm")
BOUND = 0.001  # of the depth's range: the file's weights have 16 bits
PIXELS = """const canvas = document.querySelector("#try " + arguments[0]);
return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];"""

upsampler = DepthUpsampler.from_pretrained(device="cpu")


def crop(scale: int = 8) -> tuple[Any, Any]:
    """A part of the desk with edges, 160 x 128, and its LR depth in millimetres with a hole."""
    rgb, depth = read_rgb(DESK / "rgb.png")[240:368, 40:200], read_depth(DESK / "depth.png")[240:368, 40:200]
    lr_depth = np.ascontiguousarray(depth[scale // 2 :: scale, scale // 2 :: scale])
    lr_depth[2:4, 3:5] = 0
    return np.ascontiguousarray(rgb), lr_depth


@pytest.fixture
def rgb_file(tmp_path: Path) -> Path:
    Image.fromarray(crop()[0]).save(tmp_path / "rgb.png")
    return tmp_path / "rgb.png"


def result(visitor: Any, suffix: str) -> Any:
    """The depth to download."""
    content = io.BytesIO(visitor.fetch(".file"))
    return np.load(content) if suffix == ".npy" else np.asarray(Image.open(content))


def agree(found: Any, rgb: Any, lr_depth: Any) -> None:
    """The page's result has the package's dtype and holes, and its depth within the bound."""
    expected = upsampler.predict(rgb, lr_depth)
    depth, valid = np.asarray(expected.depth), np.asarray(expected.valid)
    assert (found.dtype, found.shape) == (depth.dtype, depth.shape)
    assert np.array_equal(found[~valid], depth[~valid], equal_nan=depth.dtype.kind == "f")
    measured = depth[valid].astype(np.float64)
    difference = np.abs(found[valid].astype(np.float64) - measured)
    rounding = 1 if depth.dtype.kind in "iu" else float(np.spacing(depth[valid].max()))
    assert difference.max() <= BOUND * np.ptp(measured) + rounding


Make = Callable[[Any], Any]
AS_STORED: dict[str, tuple[str, Make]] = {
    "16-bit PNG": (".png", lambda depth: depth),
    "8-bit PNG": (".png", lambda depth: (depth / 20).astype(np.uint8)),
    "TIFF, uint16": (".tif", lambda depth: depth),
    "TIFF, int32": (".tif", lambda depth: depth.astype(np.int32)),
    "TIFF, float16": (".tif", lambda depth: (depth / 1000).astype(np.float16)),
    "TIFF, float32": (".tiff", lambda depth: (depth / 1000).astype(np.float32)),
    "TIFF, float64": (".tif", lambda depth: depth / 1000.0),
    "PFM": (".pfm", lambda depth: (depth / 1000).astype(np.float32)),
    "NPY, float32 with NaN": (".npy", lambda depth: np.where(depth, depth / 1000, np.nan).astype(np.float32)),
    "NPY, float16": (".npy", lambda depth: (depth / 1000).astype(np.float16)),
    "NPY, uint32 in columns": (".npy", lambda depth: np.asfortranarray(depth.astype(np.uint32))),
    "NPY, big-endian int16": (".npy", lambda depth: depth.astype(">i2")),
}


@pytest.mark.parametrize("kind", AS_STORED)
def test_depth_of_each_format_gives_the_package_s(visitor: Any, rgb_file: Path, tmp_path: Path, kind: str) -> None:
    suffix, make = AS_STORED[kind]
    depth, path = make(crop()[1]), tmp_path / f"depth{suffix}"
    if suffix == ".npy":
        np.save(path, depth)
    else:
        write_depth(path, depth)
    assert visitor.bring(rgb_file, path) == ""
    assert "weights" in visitor.run()
    read = read_depth(path)
    native = read.astype(read.dtype.newbyteorder("="))
    agree(result(visitor, ".png" if depth.dtype in ("uint8", "uint16") else ".npy"), read_rgb(rgb_file), native)


IMAGES: dict[str, Callable[[Any, Path], None]] = {
    "rgb.jpg": lambda rgb, path: Image.fromarray(rgb).save(path, quality=95, exif=turned()),
    "rgb.bmp": lambda rgb, path: Image.fromarray(rgb).save(path),
    "rgb.tif": lambda rgb, path: Image.fromarray(rgb).save(path, compression="tiff_lzw"),
    "rgb.webp": lambda rgb, path: Image.fromarray(rgb).save(path, lossless=True),
    "palette.png": lambda rgb, path: Image.fromarray(rgb).quantize(200).save(path),
    "alpha.png": lambda rgb, path: Image.fromarray(np.dstack((rgb, np.full(rgb.shape[:2], 9, np.uint8)))).save(path),
    "grey.png": lambda rgb, path: Image.fromarray(rgb[..., 0]).save(path),
}


def turned() -> Any:
    """The tag of an image that lies on its side."""
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.mark.parametrize("name", IMAGES)
def test_rgb_of_each_format_is_read_as_the_package_does(visitor: Any, tmp_path: Path, name: str) -> None:
    rgb, lr_depth = crop()
    IMAGES[name](rgb, tmp_path / name)
    write_depth(tmp_path / "depth.png", lr_depth)
    assert visitor.bring(tmp_path / name, tmp_path / "depth.png") == ""
    shown = np.array(visitor.script(PIXELS, ".given .rgb"), np.uint8).reshape(*rgb.shape[:2], 4)[..., :3]
    expected = read_rgb(tmp_path / name)
    assert np.abs(shown.astype(int) - expected).max() <= (2 if name.endswith(".jpg") else 0)  # another decoder


@pytest.mark.parametrize("scale", [4, 5, 16])
def test_other_scales_give_the_package_s(visitor: Any, tmp_path: Path, scale: int) -> None:
    rgb, lr_depth = crop(scale)
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    write_depth(tmp_path / "depth.png", lr_depth)
    assert visitor.bring(tmp_path / "rgb.png", tmp_path / "depth.png") == ""
    assert f"x{scale}," in visitor.run()
    agree(result(visitor, ".png"), rgb, lr_depth)


def test_pictures_and_points_are_the_package_s(visitor: Any, rgb_file: Path, tmp_path: Path) -> None:
    rgb, lr_depth = crop()
    write_depth(tmp_path / "depth.png", lr_depth)
    visitor.bring(rgb_file, tmp_path / "depth.png")
    visitor.run()
    ours = result(visitor, ".png")
    valid, plain = ours > 0, bicubic(lr_depth, ours.shape)
    span = depth_span(ours, valid)
    for selector, depth in ((".plain", plain), (".ours", ours)):
        shown = np.array(visitor.script(PIXELS, selector), np.uint8).reshape(*ours.shape, 4)[..., :3]
        expected = colourise_depth(depth, span, valid, logarithmic=True)
        assert np.abs(shown.astype(int) - expected).max() <= 8, selector  # a step of the colours
    points, expected = visitor.fetch(".points"), cloud_file(rgb, ours, valid, 60)
    vertex = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    found, made = (np.frombuffer(ply[ply.index(b"end_header\n") + 11 :], vertex) for ply in (points, expected))
    assert points[: -found.nbytes] == expected[: -made.nbytes]
    assert np.array_equal(found["rgb"], made["rgb"])
    assert np.abs(found["xyz"] - made["xyz"]).max() <= 1  # millimetres: the file of depth is rounded


def test_depth_without_a_sample_gives_holes(visitor: Any, rgb_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.zeros((16, 20), np.float32))
    assert visitor.bring(rgb_file, tmp_path / "depth.npy") == ""
    assert "100.0% holes" in visitor.run()
    assert not result(visitor, ".npy").any()


# Refusals


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def png(array: Any, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


SMALL = np.full((16, 20), 1000, np.uint16)
WRONG: dict[str, tuple[str, bytes]] = {
    "another suffix": ("depth.jpg", b""),
    "no suffix": ("depth", b""),
    "too large": ("depth.npy", bytes(MAX_BYTES + 2**20)),
    "colours": ("depth.png", png(np.zeros((16, 20, 3), np.uint8))),
    "a palette": ("depth.png", png(np.zeros((16, 20), np.uint8), "P")),
    "one bit": ("depth.png", png(np.zeros((16, 20), np.uint8), "1")),
    "a damaged PNG": ("depth.png", png(SMALL)[:-30]),
    "an array of three axes": ("depth.npy", saved(np.ones((2, 16, 20), np.float32))),
    "int64": ("depth.npy", saved(np.ones((16, 20), np.int64))),
    "bool": ("depth.npy", saved(np.ones((16, 20), bool))),
    "nothing": ("depth.npy", saved(np.ones((0, 20), np.float32))),
    "a damaged array": ("depth.npy", saved(SMALL)[:-30]),
    "negative metres": ("depth.npy", saved(np.where(SMALL, -0.1, 1).astype(np.float32))),
    "negative halves": ("depth.npy", saved(np.full((16, 20), -0.3, np.float16))),
    "a negative integer": ("depth.npy", saved(np.full((16, 20), -7, np.int16))),
    "a PFM of colours": ("depth.pfm", b"PF\n20 16\n-1.0\n" + bytes(12 * 320)),
    "a short PFM": ("depth.pfm", b"Pf\n20 16\n-1.0\n" + bytes(12)),
    "a TIFF of 64-bit integers": ("depth.tif", tiff_bytes(20, 16, 64, [bytes(8 * 320)], {})),
    "a TIFF of colours": ("depth.tif", tiff_bytes(20, 16, 8, [bytes(3 * 320)], {277: 3, 262: 2})),
    "a TIFF of a palette": ("depth.tif", tiff_bytes(20, 16, 8, [bytes(320)], {262: 3})),
    "other sizes": ("depth.npy", saved(np.ones((16, 40), np.float32))),
    "turned": ("depth.npy", saved(np.ones((20, 16), np.float32))),
    "as large as the image": ("depth.npy", saved(np.ones((128, 160), np.float32))),
    "far too small": ("depth.npy", saved(np.ones((4, 5), np.float32))),
}


def package_says(rgb: Path, depth: Path) -> str:
    """The refusal of the demo page, with the suffixes of this one."""
    try:
        for path, suffixes in ((rgb, RGB_SUFFIXES), (depth, DEPTH_SUFFIXES)):
            if path.suffix != ".pfm":  # which the demo page does not take
                check_upload(str(path), suffixes)
        read = read_rgb(rgb), read_depth(depth)
        check_depth(read[1])
        resolve_scale("auto", read[1].shape, read[0].shape[:2])
    except (OSError, ValueError, TypeError) as error:
        return refusal(error, {str(rgb): "the RGB file", str(depth): "the depth file"})
    return ""


@pytest.mark.parametrize("kind", WRONG)
def test_depth_is_refused_in_the_package_s_words(visitor: Any, rgb_file: Path, tmp_path: Path, kind: str) -> None:
    name, content = WRONG[kind]
    (tmp_path / name).write_bytes(content)
    expected, said = package_says(rgb_file, tmp_path / name), visitor.bring(rgb_file, tmp_path / name)
    if "damaged" in kind or "short" in kind:  # each decoder has words of its own for that
        expected, said = (":".join(text.split(":")[:2]) for text in (expected, said))
        assert expected.startswith("the depth file: ")
        assert said.startswith("the depth file: cannot be ")
    else:
        assert (said, bool(said)) == (expected, True)


def test_colours_are_refused_in_the_package_s_words(visitor: Any, tmp_path: Path) -> None:
    write_depth(tmp_path / "depth.png", SMALL)
    (tmp_path / "rgb.tif").write_bytes(tiff_bytes(20, 16, 32, [bytes(12 * 320)], {277: 3, 262: 2}))
    said = visitor.bring(tmp_path / "rgb.tif", tmp_path / "depth.png")
    assert said == package_says(tmp_path / "rgb.tif", tmp_path / "depth.png") != ""


def test_a_missing_file_and_a_large_image_are_refused(visitor: Any, tmp_path: Path) -> None:
    visitor.open()
    visitor.choose("own")
    assert visitor.run() == "both an RGB image and its low-resolution depth are needed"
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "rgb.png")
    write_depth(tmp_path / "depth.png", SMALL)
    said = visitor.bring(tmp_path / "rgb.png", tmp_path / "depth.png")
    assert said == (
        "the RGB file: 2000 x 2000 pixels; the demo takes 3 million at most, the command bridgenet-upsample any number"
    )


def test_a_frequent_far_value_is_named(visitor: Any, rgb_file: Path, tmp_path: Path) -> None:
    depth = np.full((16, 20), 1000, np.uint16)
    depth[:2] = 65535
    write_depth(tmp_path / "depth.png", depth)
    assert visitor.bring(rgb_file, tmp_path / "depth.png") == ""
    visitor.run()
    with pytest.warns(UserWarning, match="12.5% of the depth is exactly 65535") as caught:
        upsampler(read_rgb(rgb_file), depth)
    assert visitor.find(".note").text == f"Note: {caught[0].message}"
