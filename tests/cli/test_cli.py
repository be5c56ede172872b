"""bridgenet-upsample as a user calls it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridgenet_infer.cli import main
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.read import read_depth
from bridgenet_infer.weights import checkpoint_bytes
from testing.tiny import TINY, randomise, write_pair


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    write_pair(tmp_path / "rgb.png", tmp_path / "depth.png", 0)
    return str(tmp_path / "rgb.png"), str(tmp_path / "depth.png")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_result_and_preview(
    pair: tuple[str, str], tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    arguments = [*pair, "-o", str(out), "--scale", "8", "--weights", str(tiny_checkpoint), "--preview"]
    assert main(arguments) == 0
    assert "64 x 48, uint16, x8" in capsys.readouterr().out
    depth = read_depth(out)
    assert depth.dtype == np.uint16
    assert depth.shape == (48, 64)
    assert (depth == 0).sum() == 64
    assert Image.open(tmp_path / "out_preview.png").size == (64, 48)
    before = out.read_bytes()
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--fill-holes"]) == 0
    assert out.read_bytes() != before
    assert files(tmp_path) == ["depth.png", "out.png", "out_preview.png", "rgb.png"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--scale": "4"}, "imply 8"),
        ({"--scale": "0"}, "scale must lie"),
        ({"-o": "depth.xyz"}, ".xyz"),
        ({"-o": "missing/out.png"}, "does not exist"),
        ({"-o": "depth.png"}, "is an input file"),
        ({"--weights": "nosuch"}, "nosuch"),
        ({"--invalid": "70000", "rgb": "absent.png"}, "absent.png"),
        ({"depth": "rgb.png"}, "one channel"),
        ({"-o": "out.jpg"}, "cannot hold uint16"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(
    pair: tuple[str, str],
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    words: str,
) -> None:
    call = {"rgb": "rgb.png", "depth": "depth.png", "-o": "out.png", "--weights": str(tiny_checkpoint)} | changes
    paths = [str(tmp_path / call.pop("rgb")), str(tmp_path / call.pop("depth"))]
    call["-o"] = str(tmp_path / call["-o"])
    before = (tmp_path / "depth.png").read_bytes()
    assert main([*paths, *(word for option in call.items() for word in option)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bridgenet-upsample: error: ")
    assert error.count("\n") == 1
    assert words in error
    assert files(tmp_path) == ["depth.png", "rgb.png"]
    assert (tmp_path / "depth.png").read_bytes() == before


def test_a_damaged_checkpoint_is_refused(
    pair: tuple[str, str], tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "bad.safetensors"
    damaged.write_bytes(tiny_checkpoint.read_bytes()[:-100])
    assert main([*pair, "-o", str(tmp_path / "out.png"), "--weights", str(damaged)]) == 1
    assert "not a readable BridgeNet checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_usage_errors_end_with_2_and_version_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["only-one"], ["a", "b", "-o", "c", "--scale", "big"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0


def test_importing_the_package_does_not_import_torch() -> None:
    code = (
        "import sys, bridgenet_infer, bridgenet_infer.cli; print(sorted({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_expected_error_and_its_limit(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "headed.safetensors"
    weights.write_bytes(checkpoint_bytes(randomise(build_bridgenet(replace(TINY, expected_error=True))), {}))
    arguments = [*pair, "--scale", "8", "--weights", str(weights), "--preview", "--expected-error", "--overwrite"]
    assert main([*arguments, "-o", str(tmp_path / "out.png")]) == 0
    depth, error = read_depth(tmp_path / "out.png"), read_depth(tmp_path / "out_expected_error.tif")
    assert error.dtype == np.float32
    assert np.array_equal(np.isnan(error), depth == 0)
    assert Image.open(tmp_path / "out_preview.png").size == (128, 48)
    most = float(np.nanmedian(error))
    assert main([*arguments, "-o", str(tmp_path / "sure.png"), "--max-error", str(most)]) == 0
    assert np.array_equal(read_depth(tmp_path / "sure.png"), np.where(error > most, 0, depth))
    # a file in metres has its errors in metres
    assert main([*arguments, "-o", str(tmp_path / "out.pfm"), "--depth-unit", "mm"]) == 0
    np.testing.assert_allclose(read_depth(tmp_path / "out_expected_error.pfm"), error / 1000, rtol=1e-5)


def test_weights_without_a_head_are_refused(
    pair: tuple[str, str], tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (["--expected-error"], ["--max-error", "3"]):
        arguments = [*pair, "-o", str(tmp_path / "out.png"), "--weights", str(tiny_checkpoint), *option]
        assert main(arguments) == 1
        assert "have no head for the expected error" in capsys.readouterr().err
        assert files(tmp_path) == ["depth.png", "rgb.png"]
