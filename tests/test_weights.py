"""Checkpoints are verified, strict and named in errors; the shipped ones are what the manifest says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bridgenet_infer import DepthUpsampler, weights
from bridgenet_infer.graph import BridgeNet


def test_shipped_checkpoints_match_the_manifest() -> None:
    manifest = weights.read_manifest()
    assert "lite" in manifest
    for name, entry in manifest.items():
        loaded = weights.load_weights(name)
        assert loaded.sha256 == entry["sha256"]
        assert json.loads(loaded.model.config.to_json()) == entry["config"]


def test_file_and_folder_give_the_same_weights(tiny_checkpoint: Path, tiny_model: BridgeNet) -> None:
    by_file, by_folder = (
        DepthUpsampler.from_pretrained(p, device="cpu") for p in (tiny_checkpoint, tiny_checkpoint.parent)
    )
    assert by_file.sha256 == by_folder.sha256
    for name, tensor in by_file.model.state_dict().items():
        assert torch.allclose(tensor, tiny_model.state_dict()[name], rtol=1e-3, atol=1e-6)


@pytest.fixture
def own_manifest(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with one checkpoint and its manifest, so that both can be damaged."""
    monkeypatch.setattr(weights, "PACKAGE_FOLDER", tmp_path / "package")
    monkeypatch.setattr(weights, "CHECKPOINT_FOLDER", tmp_path)
    payload = tiny_checkpoint.read_bytes()
    (tmp_path / "tiny.safetensors").write_bytes(payload)
    digest = weights.hashlib.sha256(payload).hexdigest()
    entry = {"name": "tiny", "file": "tiny.safetensors", "sha256": digest, "size": len(payload)}
    (tmp_path / "weights_manifest.json").write_text(json.dumps({"checkpoints": [entry]}))
    return tmp_path


def test_one_flipped_bit_anywhere_is_found(own_manifest: Path) -> None:
    path = own_manifest / "tiny.safetensors"
    payload = path.read_bytes()
    assert weights.load_weights("tiny").name == "tiny"
    for position in random.Random(0).sample(range(len(payload)), 20):
        damaged = bytearray(payload)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(OSError, match=r"tiny\.safetensors is damaged"):
            weights.load_weights("tiny")


def test_a_broken_manifest_is_named(own_manifest: Path) -> None:
    (own_manifest / "weights_manifest.json").write_text("{")
    with pytest.raises(OSError, match="manifest"):
        weights.load_weights("tiny")


def test_foreign_incomplete_and_non_finite_checkpoints_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_checkpoint)
    name = next(iter(tensors))
    with weights.safe_open(tiny_checkpoint, framework="pt") as file:
        header = json.loads(file.metadata()[weights.METADATA_KEY])
    cases = {
        "foreign": (tensors, json.dumps({"format": "pt"})),
        "incomplete": ({k: v for k, v in tensors.items() if k != name}, json.dumps(header)),
        "extra": ({**tensors, "surplus": torch.zeros(1)}, json.dumps(header)),
        "shape": ({**tensors, name: torch.zeros(1, 2, 3)}, json.dumps(header)),
        "config": (tensors, json.dumps({**header, "config": {"dsr_widths": [1, 2]}})),
        "nojson": (tensors, "{"),
        "nan": ({**tensors, name: torch.full_like(tensors[name], torch.nan)}, json.dumps(header)),
    }
    for case, (content, metadata) in cases.items():
        path = tmp_path / f"{case}.safetensors"
        save_file(content, path, {weights.METADATA_KEY: metadata})
        with pytest.raises(OSError, match=case):
            weights.load_checkpoint(path)


def test_the_same_weights_give_the_same_file(tiny_model: BridgeNet) -> None:
    notes = {"lr_kernel": "a", "licence": "b", "scales": "c"}
    assert weights.checkpoint_bytes(tiny_model, notes) == weights.checkpoint_bytes(tiny_model, notes)


def test_unknown_names_and_ambiguous_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nosuch.*lite"):
        DepthUpsampler.from_pretrained("nosuch")
    with pytest.raises(OSError, match="exactly one"):
        DepthUpsampler.from_pretrained(tmp_path)
