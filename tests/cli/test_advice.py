"""Advice of bridgenet-upsample works when it is copied, and the command refuses before it works."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer import read_depth, write_depth
from bridgenet_infer.cli import main
from testing.tiny import write_pair

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a pair whose depth is as given: its exit code and stderr."""
    write_pair(tmp_path / "rgb.png", tmp_path / "depth.png", 0)

    def run(depth: np.ndarray, *more: str, output: str = "out.npy", source: str = "depth.npy") -> tuple[int, str]:
        np.save(tmp_path / source, depth)
        paths = [str(tmp_path / name) for name in ("rgb.png", source)]
        code = main([*paths, "-o", str(tmp_path / output), "--weights", str(tiny_checkpoint), "--overwrite", *more])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def depth(tmp_path: Path, run: Run) -> np.ndarray:
    return read_depth(tmp_path / "depth.png")


def marked(depth: np.ndarray, dtype: str, marker: float) -> np.ndarray:
    """Three rows of markers."""
    with_marks = (depth / 10).astype(dtype) + np.ones(1, dtype)
    with_marks[:3] = marker
    return with_marks


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_marker_is_named_so_that_it_can_be_copied(
    tmp_path: Path, run: Run, depth: np.ndarray, dtype: str, sign: int
) -> None:
    limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
    if sign < 0 and dtype.startswith("u"):
        return
    with_marks = marked(depth, dtype, float(limits.max if sign > 0 else limits.min))
    code, said = run(with_marks)
    assert code == (0 if sign > 0 else 1)
    (advice,) = re.findall(r"--invalid=\S+[^)\s]", said)
    code, said = run(with_marks, *shlex.split(advice))
    assert (code, said) == (0, "")
    assert (read_depth(tmp_path / "out.npy")[:24] == with_marks[0, 0]).all()


def test_negative_numbers_with_exponents_are_values(run: Run, depth: np.ndarray) -> None:
    with_marks = marked(depth, "float32", -3.4028235e38)
    assert run(with_marks, "--invalid", "-3.4028235e+38") == (0, "")


def test_no_unit_is_asked_of_what_no_unit_helps(run: Run, depth: np.ndarray) -> None:
    code, said = run(depth.astype(np.int64), output="out.png")
    assert code == 1
    assert "int64" in said
    assert "--depth-unit" not in said


def test_the_unit_that_is_asked_for_is_enough(run: Run, depth: np.ndarray) -> None:
    for array in (depth.astype(np.int32), depth.astype(np.float32) / 1000):
        code, said = run(array, output="out.png")
        assert (code, "--depth-unit m, mm" in said) == (1, True)
        assert run(array, "--depth-unit", "mm" if array.dtype == np.int32 else "m", output="out.png") == (0, "")


@pytest.mark.parametrize(
    ("unit", "words"),
    [("0.001", "if a step is 0.001 m, use --depth-unit 1000"), ("0", "must be m, mm"), ("cm", "must be m, mm")],
)
def test_units_that_cannot_be_meant_are_refused(
    tmp_path: Path, unit: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", "c.pfm", "--depth-unit", unit])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_units_that_are_hardly_meant_are_questioned(run: Run, depth: np.ndarray) -> None:
    code, said = run(depth, "--depth-unit", "m")
    assert code == 0
    assert "1 steps per metre put depth at about 1000 m; check --depth-unit" in said
    code, said = run((depth / 1000).astype(np.float32), "--depth-unit", "mm")
    assert "1000 steps per metre put depth at about 0.001 m" in said


def test_depth_beyond_millimetres_is_refused_before_the_work(
    run: Run, depth: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridgenet_infer.cli.process.Job.upsampler", lambda job: pytest.fail("the network was loaded"))
    code, said = run(depth.astype(np.float32), "--depth-unit", "10", output="out.png")
    assert code == 1
    assert "uint16 millimetres end at 65.535 m; write .npy, .tif or .pfm" in said


def test_a_file_is_no_folder_for_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rgb", "depth"):
        (tmp_path / name).mkdir()
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "rgb"), str(tmp_path / "depth"), "-o", str(tmp_path / "out.png")])
    assert stop.value.code == 2
    assert "the results of folders and scans need a folder" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("more", [[], ["--json"], ["--preview"]])
def test_names_that_a_console_lacks_end_no_run(tmp_path: Path, tiny_checkpoint: Path, more: list[str]) -> None:
    name = "\u6df1\u5ea6_\u2192"
    write_pair(tmp_path / f"{name}.png", tmp_path / "depth.png", 0)
    paths = [str(tmp_path / each) for each in (f"{name}.png", "depth.png")]
    command = [sys.executable, "-m", "bridgenet_infer.cli", *paths, "-o", str(tmp_path / f"{name}_out.png"), *more]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run([*command, "--weights", str(tiny_checkpoint)], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u6df1" in done.stdout
    again = subprocess.run([*command, "--weights", str(tiny_checkpoint)], env=environment, capture_output=True)
    assert again.returncode == 1
    assert b"exists already (--overwrite replaces it)" in again.stderr


def test_advice_for_tum_folders_is_a_whole_command(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tmp_path / "a scene"
    for name in ("rgb", "depth"):
        (scene / name).mkdir(parents=True)
    write_pair(scene / "rgb" / "1.00.png", scene / "depth" / "1.01.png", 0)
    for kind, stamp in (("rgb", "1.00"), ("depth", "1.01")):
        (scene / f"{kind}.txt").write_text(f"\ufeff{stamp} {kind}/{stamp}.png\n", encoding="utf-8")
    assert main([str(scene / "rgb"), str(scene / "depth"), "-o", str(tmp_path / "out")]) == 1
    (advice,) = re.findall(r"use (bridgenet-bag .*)", capsys.readouterr().err)
    from bridgenet_infer.bags.command import main as bag

    assert bag([*shlex.split(advice)[1:], "--weights", str(tiny_checkpoint)]) == 0


# -- what users hold ---------------------------------------------------------------------------------------------------


def test_disparity_of_sgbm_has_negative_holes(tmp_path: Path, run: Run, depth: np.ndarray) -> None:
    disparity = (depth // 4).astype(np.int16)
    disparity[:3] = -16
    code, said = run(disparity)
    assert (code, "--invalid=-16" in said) == (1, True)
    assert run(disparity, "--sgbm", output="out.tif") == (0, "")
    restored = read_depth(tmp_path / "out.tif")
    assert restored.dtype == np.int16
    assert not restored[:24].any()
    code, said = run(depth, "--sgbm")
    assert (code, "--sgbm is for int16" in said) == (1, True)


@pytest.mark.parametrize("suffix", [".webp", ".ppm"])
@pytest.mark.parametrize("dtype", ["float16", "float64", "uint32", "int16"])
def test_tiffs_and_guides_go_all_the_way(
    tmp_path: Path, tiny_checkpoint: Path, dtype: str, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path / f"rgb{suffix}", tmp_path / "depth.png", 0)
    write_depth(tmp_path / "depth.tif", read_depth(tmp_path / "depth.png").astype(dtype))
    paths = [str(tmp_path / name) for name in (f"rgb{suffix}", "depth.tif")]
    assert main([*paths, "-o", str(tmp_path / "out.tif"), "--weights", str(tiny_checkpoint)]) == 0
    assert read_depth(tmp_path / "out.tif").dtype == dtype
    assert capsys.readouterr().err == ""


def test_scannets_sizes_are_taken(tmp_path: Path, tiny_checkpoint: Path) -> None:
    ramp = np.tile(np.linspace(1000, 3000, 640).astype(np.uint16), (480, 1))
    write_depth(tmp_path / "depth.png", ramp)
    Image.fromarray(np.zeros((968, 1296, 3), np.uint8)).save(tmp_path / "rgb.png")
    paths = [str(tmp_path / name) for name in ("rgb.png", "depth.png")]
    assert main([*paths, "-o", str(tmp_path / "out.png"), "--weights", str(tiny_checkpoint)]) == 0
    assert read_depth(tmp_path / "out.png").shape == (968, 1296)
