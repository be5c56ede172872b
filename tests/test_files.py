"""Reading and writing: round trips, damage, nothing half-written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridgenet_infer.read import read_depth, read_rgb
from bridgenet_infer.write import DTYPES_BY_SUFFIX, check_depth_path, write_depth, write_preview

HELD = [(suffix, dtype) for suffix, dtypes in DTYPES_BY_SUFFIX.items() for dtype in dtypes]
ALL_DTYPES = DTYPES_BY_SUFFIX[".npy"]


@given(st.sampled_from(HELD), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_depth_round_trip(tmp_path: Path, kind: tuple[str, str], height: int, width: int, seed: int) -> None:
    suffix, dtype = kind
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0, 250 if dtype == "uint8" else 60_000, (height, width)).astype(dtype)
    if depth.dtype.kind == "f":
        depth[0, 0] = np.nan
    path = tmp_path / f"depth{suffix}"
    write_depth(path, depth)
    back = read_depth(path)
    assert back.dtype == depth.dtype
    assert np.array_equal(back, depth, equal_nan=True)
    assert [p.name for p in tmp_path.iterdir()].count(path.name) == 1
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("suffix", sorted(DTYPES_BY_SUFFIX))
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


def encoded(suffix: str) -> bytes:
    rng = np.random.default_rng(1)
    if suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, rng.uniform(1, 9, (40, 50)))
        return buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(1, 60_000, (40, 50)).astype(np.uint16)).save(
        buffer, "PNG" if suffix == ".png" else "TIFF"
    )
    return buffer.getvalue()


@given(st.sampled_from([".png", ".tif", ".npy"]), st.floats(0, 0.97))
def test_truncated_depth_is_refused_with_its_path(tmp_path: Path, suffix: str, share: float) -> None:
    payload = encoded(suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(payload[: int(len(payload) * share)])
    with pytest.raises(OSError, match="cut"):
        read_depth(path)


@given(st.sampled_from([".png", ".tif", ".npy"]), st.binary(max_size=300))
def test_garbage_is_refused_with_its_path(tmp_path: Path, suffix: str, payload: bytes) -> None:
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes(payload)
    for read in (read_depth, read_rgb):
        with pytest.raises(OSError, match="garbage"):
            read(path)


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
    pages = [Image.fromarray(np.ones((4, 4), np.uint8))] * 2
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="page"):
        read_depth(tmp_path / "pages.tif")
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


def test_preview_is_a_picture_with_black_holes_and_bright_near(tmp_path: Path) -> None:
    depth = np.tile(np.linspace(500, 3000, 40).astype(np.uint16), (30, 1))
    valid = np.ones(depth.shape, bool)
    valid[:5] = False
    write_preview(tmp_path / "p.png", depth, valid)
    picture = np.asarray(Image.open(tmp_path / "p.png")).astype(int)
    assert picture.shape == (30, 40, 3)
    assert not picture[:5].any()
    assert picture[10, 3].sum() > picture[10, 36].sum() + 100
    write_preview(tmp_path / "none.png", np.zeros_like(depth), np.zeros_like(valid))
    assert not np.asarray(Image.open(tmp_path / "none.png")).any()
