"""Reading and writing: round trips, damage, nothing half-written."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from bridgenet_infer.read import exr_supported, read_depth, read_rgb
from bridgenet_infer.write import DTYPES_BY_SUFFIX, check_depth_path, write_depth

SUFFIXES = sorted(set(DTYPES_BY_SUFFIX) - (set() if exr_supported() else {".exr"}))
HELD = [(suffix, dtype) for suffix in SUFFIXES for dtype in DTYPES_BY_SUFFIX[suffix]]
ALL_DTYPES = DTYPES_BY_SUFFIX[".npy"]


@given(st.sampled_from(HELD), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_depth_round_trip(tmp_path: Path, kind: tuple[str, str], height: int, width: int, seed: int) -> None:
    suffix, dtype = kind
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0, 250 if dtype == "uint8" else 60_000, (height, width)).astype(dtype)
    depth[0, 0] = np.nan if depth.dtype.kind == "f" else np.iinfo(dtype).max
    path = tmp_path / f"depth{suffix}"
    write_depth(path, depth)
    back = read_depth(path)
    assert back.dtype == depth.dtype
    assert np.array_equal(back, depth, equal_nan=True)
    assert [p.name for p in tmp_path.iterdir()].count(path.name) == 1
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_a_suffix_that_cannot_hold_the_dtype_is_refused(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = tmp_path / f"depth{suffix}"
    if dtype in DTYPES_BY_SUFFIX[suffix]:
        check_depth_path(path, dtype)
    else:
        with pytest.raises(ValueError, match=dtype):
            write_depth(path, np.ones((3, 3), dtype))
        assert list(tmp_path.iterdir()) == []


def test_writing_into_a_missing_folder_or_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        write_depth(tmp_path / "no" / "depth.png", np.ones((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\.xyz"):
        write_depth(tmp_path / "depth.xyz", np.ones((3, 3), np.uint8))


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "depth.png"
    folder.mkdir()
    (folder / "keep").write_text("x")
    with pytest.raises(OSError, match=r"depth\.png"):
        write_depth(folder, np.ones((3, 3), np.uint8))  # a folder stands in the way of the final rename
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["depth.png", "keep"]


@pytest.mark.skipif(exr_supported(), reason="this OpenCV has EXR: the round trips cover it")
def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "depth.png"
    with pytest.raises(OSError, match=r"No space left on device: '.*/depth\.png'"):
        write_depth(path, np.ones((3, 4), np.uint8))
    assert not any(tmp_path.iterdir())


def test_without_exr_it_is_said_what_to_use_instead(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"built without EXR; use \.pfm"):
        write_depth(tmp_path / "depth.exr", np.ones((3, 3), np.float32))
    (tmp_path / "depth.exr").write_bytes(b"v/1\x01")
    with pytest.raises(ValueError, match="built without EXR"):
        read_depth(tmp_path / "depth.exr")


def encoded(suffix: str, folder: Path) -> bytes:
    """A good file of this format."""
    depth = np.random.default_rng(1).integers(1, 60_000, (40, 50)).astype(np.uint16)
    path = folder / f"good{suffix}"
    if suffix == ".jpg":
        Image.fromarray((depth >> 8).astype(np.uint8)).save(path)
    else:
        write_depth(path, depth if "uint16" in DTYPES_BY_SUFFIX[suffix] else depth.astype(np.float32))
    payload = path.read_bytes()
    path.unlink()
    return payload


FORMATS = [suffix for suffix in SUFFIXES if suffix != ".tiff"]


@given(st.sampled_from(FORMATS), st.floats(0, 0.97))
def test_truncated_depth_is_refused_with_its_path(tmp_path: Path, suffix: str, share: float) -> None:
    payload = encoded(suffix, tmp_path)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(payload[: int(len(payload) * share)])
    with pytest.raises(OSError, match="cut"):
        read_depth(path)


@given(st.sampled_from(FORMATS), st.binary(max_size=300))
def test_garbage_is_refused_with_its_path(tmp_path: Path, suffix: str, payload: bytes) -> None:
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes(payload)
    with pytest.raises(OSError, match="garbage"):
        read_depth(path)
    if suffix != ".pfm":
        with pytest.raises(OSError, match="garbage"):
            read_rgb(path)


@given(st.sampled_from([".png", ".npz"]), st.floats(0.1, 0.9), st.integers(0, 7))
def test_formats_with_checksums_notice_a_flipped_bit(tmp_path: Path, suffix: str, place: float, bit: int) -> None:
    payload = bytearray(encoded(suffix, tmp_path))
    payload[int(len(payload) * place)] ^= 1 << bit
    path = tmp_path / f"flipped{suffix}"
    path.write_bytes(bytes(payload))
    with pytest.raises(OSError, match="flipped"):
        read_depth(path)


def test_archives_with_several_arrays(tmp_path: Path) -> None:
    depth, other = np.arange(1.0, 13.0).reshape(3, 4), np.zeros((2, 2))
    np.savez(tmp_path / "named.npz", depth=depth, other=other)
    assert np.array_equal(read_depth(tmp_path / "named.npz"), depth)
    np.savez(tmp_path / "two.npz", a=depth, b=other)
    with pytest.raises(ValueError, match="needs one array, or one named 'depth'"):
        read_depth(tmp_path / "two.npz")


def test_files_that_are_fine_but_no_depth(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match="RGB"):
        read_depth(tmp_path / "colour.png")
    np.save(tmp_path / "stack.npy", np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
        read_depth(tmp_path / "stack.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(OSError, match="objects"):
        read_depth(tmp_path / "objects.npy")
    with pytest.raises(OSError, match="missing"):
        read_depth(tmp_path / "missing.png")
    with pytest.raises(ValueError, match=r"\.webm"):
        read_depth(tmp_path / "film.webm")


def test_rgb_kinds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (6, 7, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    assert np.array_equal(read_rgb(tmp_path / "rgb.png"), rgb)
    Image.fromarray(np.dstack([rgb, rgb[..., 0]])).save(tmp_path / "alpha.png")
    assert np.array_equal(read_rgb(tmp_path / "alpha.png"), rgb)
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_rgb(tmp_path / "grey.png"), np.dstack([rgb[..., 0]] * 3))
    deep = rgb.astype(np.uint16) * 257
    import cv2

    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    assert np.array_equal(read_rgb(tmp_path / "deep.png"), deep)


@pytest.mark.parametrize("read", [read_rgb, read_depth])
def test_renamed_postscript_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    interpreter, ran = tmp_path / "gs", tmp_path / "ran"
    interpreter.write_text(f"#!/bin/sh\ntouch {ran}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(interpreter))
    path = tmp_path / "image.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(OSError, match=r"image\.png: cannot be read as an image"):
        read(path)
    assert not ran.exists()
