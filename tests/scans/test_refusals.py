"""Scans that are refused: two layouts, missing parts, results in the scan, odd videos and archives, wrong calls."""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridgenet_infer.cli import main
from bridgenet_infer.scans import open_scan
from simulation import scans


@pytest.fixture(scope="module")
def frames() -> list[scans.ScanFrame]:
    rng = np.random.default_rng(0)
    return [
        scans.ScanFrame(
            rng.integers(0, 256, (48, 64, 3), np.uint8),
            rng.integers(500, 4000, (6, 8)).astype(np.uint16),
            rng.integers(0, 3, (6, 8)).astype(np.uint8),
        )
        for _ in range(3)
    ]


@pytest.fixture
def stray(tmp_path: Path, frames: list[scans.ScanFrame]) -> Path:
    scans.write_stray(tmp_path / "scan", frames)
    return tmp_path / "scan"


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("layout", "lost", "words"),
    [
        ("stray", "depth", "looks like a scan of Stray Scanner, but lacks depth/"),
        ("stray", "rgb.mp4", "lacks rgb.mp4"),
        ("stray", "camera_matrix.csv", "lacks camera_matrix.csv"),
        ("stray", "confidence", r"lacks confidence/ \(--min-confidence 0 does without it\)"),
        ("polycam", "keyframes/images", "looks like a scan of Polycam, but lacks keyframes/images/"),
        ("polycam", "keyframes/cameras", "lacks keyframes/cameras/"),
        ("polycam", "keyframes/confidence", "lacks keyframes/confidence/"),
        ("arkitscenes", "wide", "lowres_wide is as small as the depth"),
        ("arkitscenes", "confidence", "lacks confidence/"),
        ("arkitscenes", "lowres_depth", "is no scan"),
    ],
)
def test_a_scan_without_a_part_is_refused(
    layout: str, lost: str, words: str, tmp_path: Path, frames: list[scans.ScanFrame]
) -> None:
    scans.WRITERS[layout](tmp_path, frames)
    remove(tmp_path / lost)
    with pytest.raises(ValueError, match=words):
        open_scan(tmp_path, 1)
    if lost.endswith("confidence"):
        assert len(open_scan(tmp_path, 0).frames) == len(frames)


def test_two_layouts_in_one_folder_are_refused(stray: Path, frames: list[scans.ScanFrame]) -> None:
    scans.write_polycam(stray, frames)
    with pytest.raises(ValueError, match=r"looks like scans of 2 apps .*Stray Scanner.*Polycam"):
        open_scan(stray, 1)


def test_two_guides_in_one_scan_are_refused(stray: Path) -> None:
    (stray / "rgb").mkdir()
    with pytest.raises(ValueError, match=r"both rgb\.mp4 and rgb/"):
        open_scan(stray, 1)


def test_a_scan_without_a_frame_is_refused(stray: Path) -> None:
    for path in (stray / "depth").iterdir():
        path.rename(path.with_stem(f"depth_{path.stem}"))
    with pytest.raises(ValueError, match=r"no frame of this scan is complete: 000000.*: no depth; depth_000000"):
        open_scan(stray, 1)


@pytest.mark.parametrize("inside", ["", "confidence", "out"])
def test_results_never_come_into_the_scan(
    inside: str, stray: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(stray.rglob("*"))
    assert main([str(stray), "-o", str(stray / inside), "--weights", str(tiny_checkpoint)]) == 1
    assert "lies in the scan" in capsys.readouterr().err
    assert sorted(stray.rglob("*")) == before


def test_other_folders_and_files_are_no_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rgb", "depth"):
        (tmp_path / name).mkdir()
    for path in (tmp_path, tmp_path / "rgb"):
        assert main([str(path), "-o", str(tmp_path / "out")]) == 1
        assert "is no scan (Stray Scanner: depth/" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "out", "--sgbm"], "not for scans"),
        (["-o", "out", "--depth-unit", "mm"], "not for scans"),
        (["-o", "out.png"], "folders and scans need a folder"),
        (["-o", "out", "--min-confidence", "3"], "--min-confidence"),
        ([], "required"),
        (["depth", "-o", "out", "--min-confidence", "1"], "--min-confidence is for scans"),
    ],
)
def test_wrong_calls_on_scans_are_told(
    more: list[str], words: str, stray: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stray)
    with pytest.raises(SystemExit) as stop:
        main([".", *more])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


# -- videos ------------------------------------------------------------------------------------------------------------


def test_a_playlist_is_no_video(stray: Path) -> None:
    (stray / "rgb.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    with pytest.raises(OSError, match=r"rgb\.mp4: is no MP4 video"):
        open_scan(stray, 1)


def test_a_video_that_lost_frames_is_refused(stray: Path) -> None:
    content = bytearray((stray / "rgb.mp4").read_bytes())
    start = content.index(b"mdat") + 4
    size = int.from_bytes(content[start - 8 : start - 4], "big") - 8
    content[start + size // 2 : start + size] = bytes(size - size // 2)  # a part that was never written
    (stray / "rgb.mp4").write_bytes(content)
    with pytest.raises(OSError, match="of its 3 frames can be decoded"):
        open_scan(stray, 1)


# -- archives ----------------------------------------------------------------------------------------------------------


Members = dict[str, bytes]


@pytest.fixture
def record(tmp_path: Path, frames: list[scans.ScanFrame]) -> Callable[..., Path]:
    """A .r3d with other members, and other fields of its metadata."""
    pytest.importorskip("lzfse", reason="LZFSE is not installed")
    scans.write_record3d(tmp_path / "good.r3d", frames)
    with zipfile.ZipFile(tmp_path / "good.r3d") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def write(change: Callable[[Members], Any] = lambda members: None, **fields: Any) -> Path:
        changed = dict(members)
        changed["metadata"] = json.dumps(json.loads(changed["metadata"]) | fields).encode()
        change(changed)
        with zipfile.ZipFile(tmp_path / "scan.r3d", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in changed.items():
                archive.writestr(name, content)
        return tmp_path / "scan.r3d"

    return write


def test_names_outside_of_the_archive_are_ignored(record: Callable[..., Path]) -> None:
    odd = ("../rgbd/7.jpg", "/rgbd/7.depth", "rgbd/../7.conf", "rgbd/x.jpg", "rgbd/7.jpg/8.jpg")
    scan = open_scan(record(lambda members: members.update(dict.fromkeys(odd, b""))), 1)
    assert list(scan.frames) == ["000000", "000001", "000002"]
    assert scan.left_out == []


def test_packed_bombs_are_refused_before_they_grow(record: Callable[..., Path]) -> None:
    import lzfse

    large = lzfse.compress(bytes(2**20))
    bombs = {"0.depth": 2 * large, "1.depth": bytes(2**26), "2.depth": large}
    scan = open_scan(record(lambda members: members.update({f"rgbd/{name}": bomb for name, bomb in bombs.items()})), 1)
    for name, words in zip(
        scan.frames, ("no LZFSE of 192 bytes", "more than 4288 bytes", "1048576 bytes"), strict=True
    ):
        with pytest.raises(OSError, match=rf"rgbd/\d\.depth: .*{words}"):
            scan.read(name)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dw": 8000, "dh": 6000}, "has more than 307200 samples"),
        ({"dw": "8"}, "must be sizes"),
        ({"dh": 10**400}, "must be sizes"),
        ({"h": None}, "must be sizes"),
    ],
)
def test_sizes_that_lie_are_refused(fields: dict[str, Any], words: str, record: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=rf"scan\.r3d/metadata: .*{words}"):
        open_scan(record(**fields), 1)


def test_a_camera_of_all_frames_is_read_by_columns(record: Callable[..., Path], frames: list[scans.ScanFrame]) -> None:
    scan = open_scan(record(perFrameIntrinsicCoeffs=[], K=[50, 0, 0, 0, 51, 0, 31, 23, 1]), 1)
    camera = json.loads(scan.camera("000001", (48, 64)).as_json())
    assert camera == {"width": 64, "height": 48, "fx": 50.0, "fy": 51.0, "cx": 31.0, "cy": 23.0}
    scan = open_scan(record(perFrameIntrinsicCoeffs=[[50, 50, 31, 23]]), 1)
    assert [str(each) for each in scan.left_out] == ["000001, 000002: no camera"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4" + bytes(50), b"not a zip"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("lzfse", reason="LZFSE is not installed")
    (tmp_path / "scan.r3d").write_bytes(content)
    with pytest.raises(OSError, match=r"scan\.r3d: cannot be read as a zip"):
        open_scan(tmp_path / "scan.r3d", 1)


def test_without_lzfse_the_compression_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lzfse", None)
    (tmp_path / "scan.r3d").write_bytes(b"")
    assert main([str(tmp_path / "scan.r3d"), "-o", str(tmp_path / "out")]) == 1
    assert "LZFSE, its compression of depth, needs pip install 'bridgenet-infer[record3d]'" in capsys.readouterr().err
