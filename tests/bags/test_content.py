"""Samples decide what a topic holds, the user's word wins, and contradictions are refused with their reason."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rosbags", reason="needs the extra bags")
from bridgenet_infer.bags.upsample import BagReport, upsample_bag
from bridgenet_infer.ros.messages import DEPTH_HEADER, compressed_fields, compressed_to_array, image_fields
from simulation.recordings import DEPTH, RGB, RGB_FRAME, Recorder
from testing.rvl import rvl_fields

START = 1_700_000_000_000_000_000
DEEP = np.random.default_rng(0).integers(1000, 2492, (12, 16)).astype(np.uint16)
COLOURS = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


def encoded(suffix: str, array: np.ndarray = DEEP) -> bytes:
    return cv2.imencode(suffix, array)[1].tobytes()


def attempt(folder: Path, depth: dict[str, Any], rgb: dict[str, Any] | None = None, **options: Any) -> np.ndarray:
    """The depth that reaches the network, of three messages that are alike."""
    given: list[np.ndarray] = []

    def upsample(rgb: np.ndarray, lr_depth: np.ndarray) -> np.ndarray:
        given.append(lr_depth)
        return lr_depth.repeat(4, 0).repeat(4, 1)

    with Recorder(folder / "in.bag", "ros1") as recorder:
        for index in range(3):
            stamp = START + index * 10**8
            recorder.add_fields(RGB, rgb or image_fields(COLOURS), stamp, RGB_FRAME)
            recorder.add_fields(DEPTH, depth, stamp, RGB_FRAME)
    report = upsample_bag(folder / "in.bag", folder / "out.bag", upsample, settings="a", **options)
    assert isinstance(report, BagReport)
    return given[0]


HEADER = DEPTH_HEADER.pack(0, 0.0, 0.0)


@pytest.mark.parametrize(
    "depth",
    [
        {"format": "png", "data": encoded(".png")},
        {"format": "", "data": encoded(".png")},
        {"format": "mono8; png compressed ", "data": encoded(".png")},
        {"format": "16UC1; png compressed ", "data": encoded(".png")},
        {"format": "16UC1; compressedDepth", "data": encoded(".png")},
        {"format": "compressedDepth", "data": HEADER + encoded(".png")},
        {"format": "16UC1", "data": HEADER + encoded(".png")},
        {"format": "png", "data": HEADER + encoded(".png")},
        {"format": "16UC1; jpeg compressed ", "data": encoded(".png")},
        {"format": "16UC1; compressedDepth png", "data": DEPTH_HEADER.pack(0, 10_100.0, -1009.0) + encoded(".png")},
        {"format": " 16UC1 ; compressedDepth", "data": DEPTH_HEADER.pack(7, float("nan"), 1e30) + encoded(".png")},
        rvl_fields(DEEP),
        {**rvl_fields(DEEP), "format": "compressedDepth rvl"},
    ],
    ids=range(13),
)
def test_formats_that_lie_or_lack_hide_no_depth(tmp_path: Path, depth: dict[str, Any]) -> None:
    assert np.array_equal(attempt(tmp_path, depth), DEEP)


def test_inverse_depth_is_known_by_its_quantisation(tmp_path: Path) -> None:
    metres = (DEEP / 1000).astype(np.float32)
    fields = compressed_fields(metres, "compressedDepth") | {"format": "compressedDepth"}
    assert np.abs(attempt(tmp_path, fields) - metres).max() < 1e-3


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        ({"format": "16UC1; jpeg compressed ", "data": encoded(".jpg", (DEEP // 10).astype(np.uint8))}, "hold uint8"),
        ({"format": "32FC1; png compressed ", "data": encoded(".png")}, "hold uint16, which is no 32FC1"),
        ({"format": "16UC1; png", "data": encoded(".png", COLOURS)}, "hold uint8 of 3 channels"),
        ({"format": "32FC1; compressedDepth png", "data": HEADER + encoded(".png")}, "no quantisation for 32FC1"),
        ({"format": "compressedDepth", "data": HEADER + encoded(".png", COLOURS)}, "not 16 bits of depth"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_contradictions_are_refused_with_their_reason(
    tmp_path: Path, depth: dict[str, Any], words: str, named: bool
) -> None:
    with pytest.raises(ValueError, match=words):
        attempt(tmp_path, depth, **({"depth_topic": DEPTH} if named else {}))


def test_8_bits_are_no_depth_even_when_named(tmp_path: Path) -> None:
    small = (DEEP // 10).astype(np.uint8)
    with pytest.raises(ValueError, match=r"more than one rgb topic.*\(grey\)"):
        attempt(tmp_path, image_fields(small))
    (tmp_path / "in.bag").unlink()
    with pytest.raises(ValueError, match=r"is no depth topic.*\(grey\)"):
        attempt(tmp_path, image_fields(small), rgb_topic=RGB, depth_topic=DEPTH)


def test_infrared_of_16_bits_can_be_named_as_the_guide(tmp_path: Path) -> None:
    infrared = compressed_fields(DEEP.repeat(4, 0).repeat(4, 1), "png")
    with pytest.raises(ValueError, match="no rgb topic in the bag"):
        attempt(tmp_path, image_fields(DEEP), infrared)
    (tmp_path / "in.bag").unlink()
    assert np.array_equal(attempt(tmp_path, image_fields(DEEP), infrared, rgb_topic=RGB, depth_topic=DEPTH), DEEP)


def test_a_damaged_first_message_hides_no_topic(tmp_path: Path) -> None:
    with Recorder(tmp_path / "in.bag", "ros1") as recorder:
        for index in range(3):
            stamp = START + index * 10**8
            recorder.add_image(RGB, COLOURS, stamp, RGB_FRAME)
            fields = compressed_fields(DEEP, "compressedDepth")
            recorder.add_fields(DEPTH, fields if index else fields | {"data": fields["data"][:40]}, stamp, RGB_FRAME)
    report = upsample_bag(
        tmp_path / "in.bag", tmp_path / "out.bag", lambda rgb, depth: depth.repeat(4, 0).repeat(4, 1), settings="a"
    )
    assert (report.pairs, len(report.failed)) == (3, 1)


def test_a_jpeg_of_a_telephone_is_not_turned() -> None:
    exif = Image.Exif()
    exif[274] = 6
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG", exif=exif)
    message = type("Message", (), {"format": "jpeg", "data": buffer.getvalue()})()
    assert compressed_to_array(message).shape == COLOURS.shape
