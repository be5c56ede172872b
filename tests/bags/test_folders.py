"""TUM folders of other texts, formats and dtypes; bridgenet-bag says before it works what it cannot do."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.bags.command import main
from bridgenet_infer.read import read_depth
from bridgenet_infer.temporal import Temporal, TemporalFilter


def write_folder(folder: Path, depth: np.ndarray, suffix: str = ".npy", encoding: str = "utf-8") -> Path:
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / "rgb" / "1.png")
    np.save(folder / "depth" / "1.npy", depth)
    for kind, name in (("rgb", "1.png"), ("depth", f"1{suffix}")):
        (folder / f"{kind}.txt").write_text(f"1.0 {kind}/{name}\n", encoding=encoding)
    return folder


def run(source: Path, tiny_checkpoint: Path, *more: str, output: str = "out") -> int:
    return main([str(source), "-o", str(source.parent / output), "--weights", str(tiny_checkpoint), *more])


@pytest.fixture
def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 4, (6, 8)).astype(np.float32)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_with_a_byte_order_mark_are_read(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, encoding: str
) -> None:
    assert run(write_folder(tmp_path / "in", depth, encoding=encoding), tiny_checkpoint) == 0


def test_lists_in_other_encodings_are_refused_by_name(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folder(tmp_path / "in", depth)
    (source / "rgb.txt").write_bytes(b"1.0 rgb/\xe4.png\n")
    assert run(source, tiny_checkpoint) == 1
    assert "rgb.txt: not a text in UTF-8" in capsys.readouterr().err


def test_float_depth_keeps_its_format_and_dtype(tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray) -> None:
    assert run(write_folder(tmp_path / "in", depth), tiny_checkpoint) == 0
    assert read_depth(tmp_path / "out" / "depth" / "1.npy").dtype == np.float32


def test_a_dtype_that_is_no_depth_is_one_line(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_folder(tmp_path / "in", (1000 * depth).astype(np.int64)), tiny_checkpoint) == 1
    error = capsys.readouterr().err
    assert "int64" in error
    assert error.count("\n") == 1


def test_files_of_one_name_are_refused(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folder(tmp_path / "in", depth)
    for name in ("rgb", "depth"):
        lines = (source / f"{name}.txt").read_text()
        (source / f"{name}.txt").write_text(lines + lines.replace("1.0 ", "2.0 ").replace(f"{name}/", f"{name}2/"))
    assert run(source, tiny_checkpoint) == 1
    assert "lists 2 files of the name 1.npy" in capsys.readouterr().err


def test_overwriting_makes_a_folder_again(tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray) -> None:
    source = write_folder(tmp_path / "in", depth)
    assert run(source, tiny_checkpoint) == 0
    result = tmp_path / "out" / "depth" / "1.npy"
    np.save(result, np.zeros((2, 2), np.float32))
    assert run(source, tiny_checkpoint) == 0
    assert read_depth(result).shape == (2, 2)
    assert run(source, tiny_checkpoint, "--overwrite") == 0
    assert read_depth(result).shape == (48, 64)


def test_markers_of_holes_can_be_named(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    depth[:3] = -1
    source = write_folder(tmp_path / "in", depth)
    assert run(source, tiny_checkpoint) == 1
    assert "--invalid=-1.0" in capsys.readouterr().err
    assert run(source, tiny_checkpoint, "--invalid=-1.0") == 0
    assert (read_depth(tmp_path / "out" / "depth" / "1.npy")[:20] == -1).all()


@pytest.mark.parametrize("name", ["out.mcap", "out.db3", "out.bag", "out.png"])
def test_a_file_is_no_place_for_a_folder(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source = write_folder(tmp_path / "in", depth)
    assert run(source, tiny_checkpoint, output=name) == 1
    assert f"say -o {tmp_path / 'out'}" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    "more", [["--registered"], ["--output-topic", "/a"], ["--depth-info", "/a"], ["--extrinsics", *"0000001"]]
)
def test_options_for_bags_are_refused_not_ignored(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert run(write_folder(tmp_path / "in", depth), tiny_checkpoint, *more) == 1
    assert f"{more[0]} is for bags" in capsys.readouterr().err


@pytest.mark.parametrize("slop", ["-1", "nan", "inf"])
def test_impossible_slops_are_wrong_calls(tmp_path: Path, slop: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path), "-o", str(tmp_path / "out"), f"--slop={slop}"])
    assert stop.value.code == 2


def test_frames_are_steadied_one_after_the_other(tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray) -> None:
    source, rng = write_folder(tmp_path / "in", depth), np.random.default_rng(1)
    frames = [depth + rng.normal(0, 0.01, depth.shape).astype(np.float32) for _ in range(4)]
    for index, frame in enumerate(frames, 1):
        np.save(source / "depth" / f"{index}.npy", frame)
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(source / "rgb" / f"{index}.png")
    for kind, suffix in (("rgb", ".png"), ("depth", ".npy")):
        (source / f"{kind}.txt").write_text("".join(f"{i}.0 {kind}/{i}{suffix}\n" for i in range(1, 5)))
    assert run(source, tiny_checkpoint, "--temporal", "--smoothing", "0.5") == 0
    upsampler, steady = DepthUpsampler.from_pretrained(tiny_checkpoint, device="cpu"), TemporalFilter(Temporal(0.5))
    for index, frame in enumerate(frames, 1):
        expected = upsampler(np.zeros((48, 64, 3), np.uint8), steady(frame))
        assert np.array_equal(read_depth(tmp_path / "out" / "depth" / f"{index}.npy"), expected)


def test_wishes_that_cannot_be_met_are_refused(
    tmp_path: Path, tiny_checkpoint: Path, depth: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folder(tmp_path / "in", depth)
    for more, words in ((["--max-error", "0.1"], "no head"), (["--temporal", "--smoothing", "2"], "smoothing must be")):
        assert run(source, tiny_checkpoint, *more) == 1
        assert words in capsys.readouterr().err
