"""One checkpoint with a network for each scale: a call runs the nearest, files keep all, strangers are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.backends.per_scale import NetworkPerScale, network_for
from bridgenet_infer.export import check_parity, export
from bridgenet_infer.graph import BridgeNet, build_bridgenet
from bridgenet_infer.weights import Checkpoint, checkpoint_bytes, load_checkpoint
from bridgenet_infer.weights.checkpoint import METADATA_KEY
from testing.tiny import TINY, tiny_model

SCALES = (4.0, 8.0, 16.0)


@pytest.fixture(scope="module")
def several() -> NetworkPerScale:
    return NetworkPerScale({scale: tiny_model(seed) for seed, scale in enumerate(SCALES)})


@pytest.fixture
def stored(several: NetworkPerScale, tmp_path: Path) -> Path:
    path = tmp_path / "several.safetensors"
    path.write_bytes(checkpoint_bytes(several, {"scales": "2-16"}))
    return path


@given(st.floats(2, 16))
def test_the_network_of_the_nearest_ratio_runs(several: NetworkPerScale, scale: float) -> None:
    chosen = network_for(several, scale)
    ratios = [max(each / scale, scale / each) for each in SCALES]
    own = several.networks[ratios.index(min(ratios))]
    assert chosen is own or ratios.count(min(ratios)) > 1


def test_a_call_runs_one_network_and_a_file_keeps_them_all(stored: Path, several: NetworkPerScale) -> None:
    together = DepthUpsampler.from_pretrained(stored, device="cpu")
    assert together.scales == (2, 16)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (96, 96, 3), np.uint8)
    results = []
    for scale in (3, 4, 8, 12, 16):
        lr = rng.uniform(1, 3, (96 // scale, 96 // scale)).astype(np.float32)
        network = network_for(several, scale)
        assert isinstance(network, BridgeNet)
        alone = DepthUpsampler(Checkpoint(network), device="cpu")(rgb, lr, scale)
        result = together(rgb, lr, scale)
        assert np.abs(result - alone).max() < 0.02  # fp16 storage
        results.append(result)
    together.warmup(96, 96)


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_an_exported_file_does_what_its_network_does(stored: Path, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("openvino", reason="needs the extra export")
    upsampler = DepthUpsampler.from_pretrained(stored, device="cpu")
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (96, 112, 3), np.uint8)
    pairs = {f"x{s}": (rgb, rng.uniform(1, 3, (96 // s, 112 // s)).astype(np.float32)) for s in (4, 8, 16)}
    path, single = tmp_path / f"network{suffix}", suffix == ".onnx"
    if single:
        with pytest.raises(ValueError, match="x4, x8, x16: choose one"):
            export(upsampler, path, "onnx")
    export(upsampler, path, "onnx" if single else "openvino", 8 if single else None)
    results = check_parity(upsampler, path, pairs, 8 if single else None)
    assert [result.name for result in results] == (["x8"] if single else ["x4", "x8", "x16"])
    assert max(result.greatest for result in results) < 1e-3


@pytest.mark.parametrize("damage", ["a tensor of no network", "a network less", "no scale", "two configurations"])
def test_what_does_not_fit_is_refused(stored: Path, several: NetworkPerScale, damage: str) -> None:
    if damage == "two configurations":
        with pytest.raises(ValueError, match="one configuration"):
            NetworkPerScale({4: tiny_model(), 8: build_bridgenet(replace(TINY, trunk_blocks=3))})
        return
    data = stored.read_bytes()
    tensors = load(data)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][METADATA_KEY])
    if damage == "a tensor of no network":
        tensors["x2.0/extra"] = torch.zeros(1)
    elif damage == "a network less":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("x8.0/")}
    else:
        header["networks"] = []
    stored.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header)}))
    with pytest.raises(OSError, match="not a readable BridgeNet checkpoint"):
        load_checkpoint(stored)
