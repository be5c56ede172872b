"""Whether depth lies on its image: shifts, turns, mirroring and zooms of a rendered scene, and the warnings."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridgenet_infer import AlignmentCheck, check_alignment, read_depth, read_rgb, write_depth
from bridgenet_infer.alignment import draw_depth_edges, summarise_warnings
from bridgenet_infer.alignment.edges import depth_edges
from bridgenet_infer.arrays import Array
from bridgenet_infer.cli import main
from testing import ROOT

Pair = tuple[Array, Array]
EXAMPLE = ROOT / "examples" / "desk"


@pytest.fixture(scope="module")
def desk() -> Pair:
    """A rendered scene, 640 x 480, and depth at x8 in millimetres."""
    return read_rgb(EXAMPLE / "rgb.png"), read_depth(EXAMPLE / "depth_lr.png")


def moved(image: Array, dy: float, dx: float) -> Array:
    motion = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    return np.asarray(cv2.warpAffine(image, motion, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE))


def test_registered_depth_is_not_warned_of(desk: Pair) -> None:
    check = check_alignment(*desk)
    assert not check.is_strong
    assert check.warning == ""
    assert np.hypot(*check.shift) < 2


@pytest.mark.parametrize("shift", [(4, 0), (0, -9), (-12, 12), (20, 30)])
def test_a_shift_is_found_to_a_pixel(desk: Pair, shift: tuple[int, int]) -> None:
    rgb, depth = desk
    check = check_alignment(moved(rgb, *shift), depth)
    assert (check.zoom, check.turn, check.mirroring) == (1, 0, "none")
    assert np.hypot(check.shift[0] - shift[0], check.shift[1] - shift[1]) <= 1


@pytest.mark.parametrize("bend", ["ramp", "roof"])
def test_a_crease_is_no_edge(bend: str) -> None:
    rows = np.repeat(np.arange(40, dtype=np.float32)[:, None], 60, 1)
    valid = np.ones(rows.shape, bool)
    crease = 1 + 0.02 * np.maximum(rows - 20, 0) if bend == "ramp" else 2 - 0.02 * np.abs(rows - 20)
    assert np.abs(depth_edges(crease, valid, (320, 480))).max() < 0.2
    step = np.where(rows < 20, np.float32(1), np.float32(1.3))
    assert np.abs(depth_edges(step, valid, (320, 480))).max() > 0.9


def test_turns_and_mirroring_are_named(desk: Pair) -> None:
    rgb, depth = desk
    assert check_alignment(rgb, depth[::-1, ::-1]).turn == 180
    assert check_alignment(rgb, depth[:, ::-1]).mirroring == "horizontal"
    assert check_alignment(rgb, depth[::-1]).mirroring == "vertical"
    for turn in (90, 270):
        check = check_alignment(np.ascontiguousarray(np.rot90(rgb, turn // 90)), depth)
        assert (check.turn, check.is_strong) == (turn, True)


def test_another_field_of_view_is_a_zoom(desk: Pair) -> None:
    rgb, depth = desk
    centre = cv2.getRotationMatrix2D((319.5, 239.5), 0, 0.9)
    check = check_alignment(cv2.warpAffine(rgb, centre, (640, 480), borderMode=cv2.BORDER_REPLICATE), depth)
    assert check.zoom == pytest.approx(0.9, abs=0.031)
    assert check.is_strong


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from([np.uint8, np.uint16, np.float32]), st.sampled_from([0, 1, 7]),
)  # fmt: skip
def test_any_shape_gets_an_answer(lr: tuple[int, int], hr: tuple[int, int], dtype: type, most: int) -> None:
    rng = np.random.default_rng(lr[0])
    rgb = rng.integers(0, 255, (*hr, 3), np.uint8)
    check = check_alignment(rgb, rng.integers(0, most + 1, lr).astype(dtype))
    assert np.isfinite([*check.shift, check.evidence, check.clearness]).all()
    assert draw_depth_edges(rgb, np.ones(lr, dtype)).shape == rgb.shape


def test_inputs_that_are_no_pair_are_refused(desk: Pair) -> None:
    rgb, depth = desk
    with pytest.raises(ValueError, match=r"lr_depth must be one frame"):
        check_alignment(rgb, depth[None])
    with pytest.raises(TypeError, match=r"rgb must be"):
        check_alignment("rgb.png", depth)


def test_many_frames_warn_only_if_most_of_them_do() -> None:
    assert summarise_warnings([]) == ""
    assert summarise_warnings(["off", ""]) == ""
    assert "2 of 3 frames" in summarise_warnings(["off", "", "off"])
    weak = AlignmentCheck((0.0, 9.0), 0, "none", 1.0, 1.0, 1.0, False)
    assert weak.warning == ""


def test_the_command_and_the_doctor_say_so(
    desk: Pair, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, depth = desk
    paths = [str(tmp_path / name) for name in ("rgb.png", "depth.png", "out.png", "edges.png")]
    Image.fromarray(rgb).save(paths[0])
    write_depth(paths[1], np.ascontiguousarray(depth[:, ::-1]))
    assert main([*paths[:2], "-o", paths[2], "--weights", str(tiny_checkpoint)]) == 0
    assert "left and right change places" in capsys.readouterr().err
    assert main(["--doctor", *paths[:2], "-o", paths[3], "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["mirroring"] == "horizontal"
    assert Image.open(paths[3]).size == (640, 480)
    write_depth(paths[1], depth)
    assert main(["--doctor", *paths[:2], "-o", paths[3], "--overwrite"]) == 0
    assert "no sign of misalignment" in capsys.readouterr().out
