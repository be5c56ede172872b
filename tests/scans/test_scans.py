"""Scans of phones by the real command: each layout, confidence, cameras, missing parts, reruns."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import read_depth, write_depth
from bridgenet_infer.cli import main
from bridgenet_infer.cli.options import parse_options
from bridgenet_infer.cli.pairs import find_pairs
from bridgenet_infer.cli.ray import RayJob, Worker, as_row
from bridgenet_infer.scans.frames import LISTED
from simulation import scans

SCALE, COUNT = 8, 3
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def frames() -> list[scans.ScanFrame]:
    return scans.render_scan(COUNT, (64, 48), (128, 96), (16, 12))


@pytest.fixture
def scan(tmp_path: Path, frames: list[scans.ScanFrame]) -> Callable[[str], Path]:
    """Writes a scan of a layout."""

    def write(layout: str) -> Path:
        if layout == "record3d":
            pytest.importorskip("lzfse", reason="LZFSE is not installed")
        path = tmp_path / ("scan.r3d" if layout == "record3d" else "scan")
        scans.WRITERS[layout](path, frames)
        return path

    return write


@pytest.fixture
def run(tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a scan: its exit code, stdout and stderr."""

    def run(path: Path, *more: str) -> tuple[int, str, str]:
        call = [str(path), "-o", str(tmp_path / "out"), "--weights", str(tiny_checkpoint), "--device", "cpu", *more]
        code = main(call)
        return code, *capsys.readouterr()

    return run


def large(levels: np.ndarray) -> np.ndarray:
    return levels.repeat(SCALE, 0).repeat(SCALE, 1)


@pytest.mark.parametrize("layout", scans.WRITERS)
@pytest.mark.parametrize("least", [None, 0, 2])
def test_every_layout_becomes_millimetres_and_cameras(
    layout: str, least: int | None, scan: Callable[[str], Path], run: Run, frames: list[scans.ScanFrame]
) -> None:
    code, said, errors = run(scan(layout), "--json", *([] if least is None else ["--min-confidence", str(least)]))
    document = json.loads(said)
    assert (code, document["counts"]["written"], document["left_out"]) == (0, COUNT, []), errors
    for row, frame in zip(document["results"], frames, strict=True):
        depth = read_depth(row["output"])
        assert (depth.dtype, row["unit"]) == (np.uint16, "mm")
        # a hole where confidence is low, and nowhere else
        assert np.array_equal(depth == 0, large(frame.confidence < (1 if least is None else least)))
        median = np.median(frame.depth)
        assert abs(np.median(depth[depth > 0]) - median) < 0.3 * median  # of random weights
        camera = json.loads(Path(row["camera"]).read_text())
        expected = scans.camera_of(frame)
        assert camera == pytest.approx({name: getattr(expected, name) for name in camera}, abs=1e-5)
        assert (camera["height"], camera["width"]) == depth.shape


def test_other_formats_and_previews_work_as_for_folders(scan: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    assert run(scan("stray"), "--format", "pfm", "--preview")[0] == 0
    metres = read_depth(tmp_path / "out" / "000000.pfm")
    assert np.isnan(metres).any()
    assert 0.3 < np.nanmedian(metres) < 4
    assert Image.open(tmp_path / "out" / "000000_preview.png").size == (128, 96)


def test_a_rerun_does_what_is_missing(scan: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    path, out = scan("stray"), tmp_path / "out"
    assert run(path)[0] == 0
    (out / "000001.png").unlink()
    (out / "000001_camera.json").unlink()
    camera = (out / "000002_camera.json").read_bytes()
    (out / "000002_camera.json").unlink()  # killed just before it
    stamps = {each: each.stat().st_mtime_ns for each in out.glob("*.png")}
    code, said, _ = run(path)
    assert (code, "1 written, 2 finished before, 0 failed" in said) == (0, True)
    assert {each: each.stat().st_mtime_ns for each in stamps} == stamps
    assert (out / "000002_camera.json").read_bytes() == camera
    assert len(list(out.iterdir())) == 2 * COUNT


def test_workers_on_ray_find_frames_by_name(
    scan: Callable[[str], Path], tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    call = [str(scan("stray")), "-o", str(tmp_path / "out"), "--weights", str(tiny_checkpoint), "--device", "cpu"]
    job = RayJob(parse_options([*call, "--ray", "local"]))
    job.prepare()
    rows = [as_row(number, pair) for number, pair in enumerate(find_pairs(job.options, job.scan)[0])]
    columns = Worker(job.options)({name: [row[name] for row in reversed(rows)] for name in rows[0]})
    assert columns["status"] == ["written"] * COUNT, columns["reason"]
    assert len(list((tmp_path / "out").glob("*_camera.json"))) == COUNT


def test_a_video_is_never_turned(tmp_path: Path, run: Run, frames: list[scans.ScanFrame]) -> None:
    import cv2

    from bridgenet_infer.scans import open_scan

    for name, turned in (("plain", False), ("turned", True)):
        scans.write_stray(tmp_path / name, frames, turned=turned)
    assert cv2.VideoCapture(str(tmp_path / "turned" / "rgb.mp4")).read()[1].shape == (128, 96, 3)
    plain, turned = (open_scan(tmp_path / name, 1) for name in ("plain", "turned"))
    for name in ("000002", "000000", "000001"):  # in any order
        assert np.array_equal(plain.read(name)[0], turned.read(name)[0])
        shown = frames[int(name)].rgb.astype(float)
        assert np.abs(turned.read(name)[0] - shown).mean() < 10  # under MPEG-4


def test_older_scans_of_stray_scanner_are_read(tmp_path: Path, run: Run, frames: list[scans.ScanFrame]) -> None:
    path = tmp_path / "scan"
    scans.write_stray(path, frames, arrays=True)
    (path / "rgb.mp4").unlink()
    (path / "rgb").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame.rgb).save(path / "rgb" / f"{index}.jpg")
    assert run(path)[0] == 0
    np.save(path / "depth" / "000001.npy", frames[1].depth / np.float32(1000))
    code, _, errors = run(path, "--overwrite")
    assert (code, "000001.npy: depth of a scan must be whole millimetres, got float32" in errors) == (1, True)


def test_polycam_has_two_words_for_medium_and_clean_depth(
    scan: Callable[[str], Path], run: Run, frames: list[scans.ScanFrame], tmp_path: Path
) -> None:
    keyframes = scan("polycam") / "keyframes"
    first = sorted((keyframes / "confidence").iterdir())[0]
    grey = np.asarray(Image.open(first))
    assert 54 in grey
    Image.fromarray(np.where(grey == 54, 127, grey).astype(np.uint8)).save(first)
    for kind in ("depth", "confidence"):
        write_depth(keyframes / kind / f"{first.stem}.Clean.png", np.ones((12, 16), np.uint16))
    code, said, _ = run(keyframes.parent, "--min-confidence", "1")
    assert (code, said) == (0, "3 written, 0 finished before, 0 failed\n")
    depth = read_depth(tmp_path / "out" / f"{first.stem}.png")
    assert np.array_equal(depth == 0, large(frames[0].confidence < 1))


# -- missing parts -----------------------------------------------------------------------------------------------------


def test_frames_that_lack_a_part_are_told(scan: Callable[[str], Path], run: Run, frames: list[scans.ScanFrame]) -> None:
    path = scan("stray")
    (path / "confidence" / "000001.png").unlink()
    for index in range(COUNT, COUNT + LISTED + 1):
        write_depth(path / "depth" / f"{index:06}.png", frames[0].depth)
    code, said, _ = run(path)
    assert code == 0
    assert said.splitlines() == [
        "left out: 000001: no confidence",
        f"left out: 000003, 000004, 000005, ... 000011 ({LISTED + 1} frames): no image, no confidence",
        "2 written, 0 finished before, 0 failed, 10 left out",
    ]
    code, said, _ = run(path, "--min-confidence", "0")
    assert "1 written, 2 finished before" in said
    write_depth(path / "depth" / "000000.npy", frames[0].depth)
    code, said, _ = run(path)
    assert (code, "left out: 000000: several files for its depth" in said) == (1, True)


def test_arkitscenes_pairs_within_a_millisecond(scan: Callable[[str], Path], run: Run) -> None:
    path = scan("arkitscenes")
    images = sorted((path / "wide").iterdir())
    images[0].rename(path / "wide" / images[0].name.replace("305.244", "305.243"))
    images[1].rename(path / "wide" / images[1].name.replace("305.277", "305.270"))
    code, said, _ = run(path)
    assert code == 0
    assert "41069021_305.270: no depth" in said
    assert "41069021_305.277: no image" in said
    assert "2 written" in said


def test_a_bad_part_fails_its_frame_alone(scan: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    keyframes = scan("polycam") / "keyframes"
    names = sorted(each.stem for each in (keyframes / "depth").iterdir())
    write_depth(keyframes / "confidence" / f"{names[0]}.png", np.ones((6, 8), np.uint8))
    (keyframes / "cameras" / f"{names[1]}.json").write_text("{}")
    code, _, errors = run(keyframes.parent)
    assert code == 1
    first, second = errors.splitlines()
    assert f"confidence/{names[0]}.png: has (6, 8), and its depth has (12, 16)" in first
    assert f"cameras/{names[1]}.json: no numbers of a camera" in second
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [f"{names[2]}.png", f"{names[2]}_camera.json"]


def test_confidence_of_other_levels_is_refused(scan: Callable[[str], Path], run: Run) -> None:
    path = scan("stray")
    write_depth(path / "confidence" / "000000.png", np.full((12, 16), 255, np.uint8))
    code, _, errors = run(path)
    assert (code, "confidence must be 0, 1 or 2, got uint8 up to 255" in errors) == (1, True)


# -- cameras -----------------------------------------------------------------------------------------------------------


def test_a_camera_of_a_smaller_image_is_scaled(scan: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    path = scan("arkitscenes")
    small = path / "lowres_wide_intrinsics"
    (path / "wide_intrinsics").rename(small)
    for each in small.iterdir():
        each.write_text("16 12 14.5 14.25 7.5 5.25")
    assert run(path)[0] == 0
    camera = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert camera == {"width": 128, "height": 96, "fx": 116.0, "fy": 114.0, "cx": 63.5, "cy": 45.5}
    for each in small.iterdir():
        each.unlink()
    small.rmdir()
    code, said, _ = run(path, "--overwrite")
    assert (code, "left out: cameras: wide_intrinsics/ is not there" in said) == (0, True)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ("110, 0, 47.5\n0, 110, 140\n0, 0, 1", "the principal point 47.5, 140.0 lies outside the image of 128 x 96"),
        ("110, 0, 47.5\n0, 110, 40", "no matrix of 3 x 3"),
        ("-110, 0, 47.5\n0, 110, 40\n0, 0, 1", "no camera has focal lengths of -110.0"),
        ("nan, 0, 47.5\n0, 110, 40\n0, 0, 1", "no camera has"),
        ("f, 0, 47.5\n0, 110, 40\n0, 0, 1", "no numbers of a camera"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(matrix: str, words: str, scan: Callable[[str], Path], run: Run) -> None:
    path = scan("stray")
    (path / "camera_matrix.csv").write_text(matrix)
    code, _, errors = run(path)
    assert (code, errors.count(f"camera_matrix.csv: {words}")) == (1, COUNT), errors


def test_a_camera_of_a_turned_image_is_refused(scan: Callable[[str], Path], run: Run) -> None:
    path = scan("polycam")
    for each in (path / "keyframes" / "cameras").iterdir():
        fields = json.loads(each.read_text())
        each.write_text(json.dumps(fields | {"width": fields["height"], "height": fields["width"]}))
    code, _, errors = run(path)
    assert (code, errors.count("the camera is for an image of 96 x 128")) == (1, COUNT)
