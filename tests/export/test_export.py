"""Exported networks give PyTorch's results, also at sizes that they were not traced with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.export import CONTRACT, Format, check_parity, export
from bridgenet_infer.export.__main__ import main
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.weights import Checkpoint
from testing.tiny import TINY, randomise

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")
openvino = pytest.importorskip("openvino", reason="needs the extra export")


def pair(height: int, width: int, holes: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height)
    lr = rng.uniform(500, 4000, (height // 4, width // 4)).astype(np.uint16)
    if holes:
        lr[3:6, 4:9] = 0
    return rng.integers(0, 256, (height, width, 3), np.uint8), lr


@pytest.mark.parametrize(
    ("kind", "validity", "error"), [("onnx", True, False), ("onnx", False, True), ("openvino", False, True)]
)
def test_a_file_gives_what_torch_gives_at_any_size(tmp_path: Path, kind: Format, validity: bool, error: bool) -> None:
    model = randomise(build_bridgenet(replace(TINY, validity_input=validity, expected_error=error)))
    upsampler = DepthUpsampler(Checkpoint(model, name="tiny", sha256="ab" * 32), device="cpu")
    path = tmp_path / ("tiny.onnx" if kind == "onnx" else "tiny.xml")
    export(upsampler, path, kind)
    pairs = {"even": pair(64, 96, holes=False), "odd": pair(100, 180, holes=True)}
    results = check_parity(upsampler, path, pairs)
    assert [result.name for result in results] == ["even", "odd"]
    assert results[1].shape == (112, 192)
    assert all(0 <= result.mean <= result.greatest < 1e-4 for result in results)
    if kind == "onnx":
        assert len(onnx.load(path).graph.output) == 1 + error
        notes = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    else:
        info = openvino.Core().read_model(path).rt_info["bridgenet"]
        notes = {name.replace("input_", "input "): info[name].value for name in ("sha256", "config", "input_rgb")}
    assert notes["sha256"] == upsampler.sha256
    assert json.loads(notes["config"])["validity_input"] == validity
    assert notes["input rgb"] == CONTRACT["input rgb"]
    assert sorted(file.suffix for file in tmp_path.iterdir()) == ([".onnx"] if kind == "onnx" else [".bin", ".xml"])


def test_the_command_prints_parity_and_refuses_wrong_suffixes(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made" / "tiny.onnx"
    assert main(["--weights", str(tiny_checkpoint), "-o", str(target)]) == 0
    assert "built-in scene" in capsys.readouterr().out
    other = DepthUpsampler(Checkpoint(randomise(build_bridgenet(TINY), seed=5)), device="cpu")
    (result,) = check_parity(other, target, {"pair": pair(64, 64, holes=False)})
    assert result.greatest > 1e-3  # another network is noticed
    assert main(["--weights", str(tiny_checkpoint), "-o", str(tmp_path / "tiny.pb")]) == 2
    assert ".onnx" in capsys.readouterr().err
