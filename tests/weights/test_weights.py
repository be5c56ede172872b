"""Checkpoints are verified, strict and named in errors; the shipped ones are what the manifest says."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from bridgenet_infer import DepthUpsampler, weights
from bridgenet_infer.graph import BridgeNet, BridgeNetConfig
from bridgenet_infer.weights.checkpoint import METADATA_KEY, compiled_bytes
from robustness.weights.campaign import same
from testing.hub_server import manifest_entry
from testing.tiny import TINY, write_tiny_checkpoint


def test_shipped_checkpoints_match_the_manifest() -> None:
    manifest = json.loads(weights.manifest_path().read_text())["checkpoints"]
    assert [entry["name"] for entry in manifest] == list(weights.read_manifest())
    assert "default" in weights.read_manifest()
    for entry in manifest:
        if "quantised" in entry:
            pytest.importorskip("openvino", reason="needs the extra openvino")
        loaded = weights.load_weights(entry["name"])
        assert loaded.sha256 == entry["sha256"]
        assert loaded.model.config == BridgeNetConfig.from_dict(entry["config"])


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
    monkeypatch.setattr(weights.manifest, "PACKAGE_FOLDER", tmp_path / "package")
    monkeypatch.setattr(weights.manifest, "CHECKPOINT_FOLDER", tmp_path)
    (tmp_path / "tiny.safetensors").write_bytes(tiny_checkpoint.read_bytes())
    write_manifest(tmp_path, tiny_checkpoint.read_bytes())
    return tmp_path


def write_manifest(folder: Path, payload: bytes, **changes: Any) -> None:
    (folder / "weights_manifest.json").write_text(json.dumps({"checkpoints": [manifest_entry(payload, **changes)]}))


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../tiny.safetensors"},
        {"file": "/etc/tiny.safetensors"},
        {"file": "tiny.pt"},
        {"sha256": "abc"},
        {"size": 0},
        {"file": "tiny.safetensors/"},
        {"size": -1},
        {"repo_id": "a/b"},
        {"revision": "a" * 40},
        {"repo_id": "a/b", "revision": "main"},
        {"scales": 4},
        {"size": 1e400},
        {"scales": [float("nan"), 4]},
        {"scales": [4, 2]},
        {"repo_id": 5, "revision": "0" * 40},
    ],
)
def test_a_manifest_that_could_mislead_is_refused(own_manifest: Path, changes: dict[str, Any]) -> None:
    write_manifest(own_manifest, b"x", **changes)
    with pytest.raises(OSError, match="manifest"):
        weights.read_manifest()


def test_an_entry_says_all_that_loading_needs(tmp_path: Path) -> None:
    write_manifest(tmp_path, b"x", repo_id="makers/tiny", revision="0123456789" * 4, licence="not ours to read")
    digest = hashlib.sha256(b"x").hexdigest()
    entry = weights.ManifestEntry("tiny", "tiny.safetensors", digest, 1, (2.0, 16.0), "makers/tiny", "0123456789" * 4)
    assert weights.read_manifest(tmp_path / "weights_manifest.json") == {"tiny": entry}


def test_a_folder_with_a_manifest_is_held_to_it(tiny_checkpoint: Path, tmp_path: Path) -> None:
    payload = tiny_checkpoint.read_bytes()
    file = tmp_path / "tiny.safetensors"
    file.write_bytes(payload)
    write_manifest(tmp_path, payload)
    for path in (tmp_path, file):
        assert weights.load_weights(path).name == "tiny"
    write_manifest(tmp_path, payload + b"x")
    for path in (tmp_path, file):
        with pytest.raises(OSError, match="damaged"):
            weights.load_weights(path)


def test_a_manifest_of_other_files_says_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(tiny_checkpoint.read_bytes())
    write_manifest(tmp_path, b"another file")
    loaded = weights.load_weights(file)
    assert (loaded.name, loaded.sha256) == ("own", hashlib.sha256(file.read_bytes()).hexdigest())


def test_names_of_the_manifest_are_no_paths(
    own_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert weights.load_weights("tiny").name == "tiny"
    with pytest.raises(OSError, match="exactly one"):
        weights.load_weights(Path("tiny"))


def test_weights_that_are_nowhere_are_named(own_manifest: Path) -> None:
    (own_manifest / "tiny.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"tiny\.safetensors"):
        weights.load_weights("tiny")


def test_a_revision_needs_a_repository(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="not on the Hub"):
        DepthUpsampler.from_pretrained("default", revision="main")
    with pytest.raises(ValueError, match="no revision"):
        DepthUpsampler.from_pretrained(tiny_checkpoint, revision="main")


def test_what_was_verified_is_what_is_loaded(own_manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody puts another file in its place right after it was read."""
    path, read = own_manifest / "tiny.safetensors", weights.ManifestEntry.read
    expected = weights.load_weights("tiny").model.state_dict()

    def swap(entry: weights.ManifestEntry, file: Path) -> bytes:
        data = read(entry, file)
        write_tiny_checkpoint(path, seed=1)
        return data

    monkeypatch.setattr(weights.ManifestEntry, "read", swap)
    loaded = weights.load_weights("tiny")
    assert same(loaded.model.state_dict(), expected)
    assert loaded.sha256 != hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_broken_manifest_is_named(own_manifest: Path, text: str) -> None:
    (own_manifest / "weights_manifest.json").write_text(text)
    with pytest.raises(OSError, match="manifest"):
        weights.load_weights("tiny")


HEADERS: list[Any] = [
    [], 5, {"format": []}, {"config": 5}, {"config": None}, {"config": {"dsr_widths": [1, 2]}}, {"scales": 4},
    {"scales": "two"}, {"scales": "nan-nan"}, {"scales": "4-2"}, {"config": {"dsr_widths": [10**7] * 4}},
    {"config": {"mde_widths": [10**30] * 5}}, {"config": {"trunk_blocks": 10**9}},
]  # fmt: skip


def test_bad_checkpoints_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_checkpoint)
    name = next(iter(tensors))
    with safe_open(tiny_checkpoint, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
    cases = {
        "foreign": (tensors, json.dumps({"format": "pt"})),
        "incomplete": ({k: v for k, v in tensors.items() if k != name}, json.dumps(header)),
        "extra": ({**tensors, "surplus": torch.zeros(1)}, json.dumps(header)),
        "shape": ({**tensors, name: torch.zeros(1, 2, 3)}, json.dumps(header)),
        "nojson": (tensors, "{"),
        "nan": ({**tensors, name: torch.full_like(tensors[name], torch.nan)}, json.dumps(header)),
    }
    for i, odd in enumerate(HEADERS):
        cases[f"header{i}"] = tensors, json.dumps(header | odd if isinstance(odd, dict) else odd)
    for case, (content, metadata) in cases.items():
        path = tmp_path / f"{case}.safetensors"
        save_file(content, path, {METADATA_KEY: metadata})
        with pytest.raises(OSError, match=case):
            weights.load_checkpoint(path)
    save_file(tensors, path)
    with pytest.raises(OSError, match="metadata has format None"):
        weights.load_checkpoint(path)


def test_a_scale_not_trained_for_brings_a_warning(tiny_model: BridgeNet, tmp_path: Path) -> None:
    path = tmp_path / "eight.safetensors"
    path.write_bytes(weights.checkpoint_bytes(tiny_model, {"scales": "8-8"}))
    upsampler = DepthUpsampler.from_pretrained(path, device="cpu")
    assert upsampler.scales == (8, 8)
    rgb, lr = np.zeros((63, 48, 3), np.uint8), np.full((8, 6), 9, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        upsampler(rgb, lr)  # 7.94
        DepthUpsampler.from_pretrained("default", device="cpu")(rgb, lr)
    with pytest.warns(UserWarning, match="weights 'eight' were trained for x8, not for x4") as caught:
        upsampler(rgb[:32, :24], lr)
    assert caught[0].filename == __file__


def test_the_same_weights_give_the_same_file(tiny_model: BridgeNet) -> None:
    notes = {"lr_kernel": "a", "licence": "b", "scales": "c"}
    reordered = dict(reversed(notes.items()))
    assert weights.checkpoint_bytes(tiny_model, notes) == weights.checkpoint_bytes(tiny_model, reordered)


def test_a_network_for_openvino_is_stored_byte_for_byte() -> None:
    files = {"topology": b"<net/>", "constants": bytes(range(256)) * 3}
    stored = load(compiled_bytes({None: (files["topology"], files["constants"])}, TINY, {}))
    assert {name: tensor.numpy().tobytes() for name, tensor in stored.items()} == files


def test_loaded_graphs_are_for_inference_in_float32(tiny_checkpoint: Path) -> None:
    model, scales = weights.load_checkpoint(tiny_checkpoint)
    assert isinstance(model, BridgeNet)
    assert not model.training
    assert {(p.dtype, p.requires_grad) for p in model.parameters()} == {(torch.float32, False)}
    assert scales is None


def test_unknown_names_and_ambiguous_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nosuch.*default"):
        DepthUpsampler.from_pretrained("nosuch")
    with pytest.raises(ValueError, match="neither a known name"):
        DepthUpsampler.from_pretrained(Path("owner") / "name")  # a path is no repository
    for count in (0, 2):
        for i in range(count):
            (tmp_path / f"{i}.safetensors").touch()
        with pytest.raises(OSError, match=f"exactly one .safetensors file, it has {count}"):
            DepthUpsampler.from_pretrained(tmp_path)
