"""Checkpoints: safetensors with the graph's config inside, listed in the manifest, verified on every load."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .graph import BridgeNet, BridgeNetConfig, build_bridgenet

MANIFEST = "weights_manifest.json"
PACKAGE_FOLDER = Path(__file__).parent
CHECKPOINT_FOLDER = PACKAGE_FOLDER / "checkpoints"  # bundled files
FORMAT = "bridgenet-infer/1"
METADATA_KEY = "bridgenet_infer"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint in memory: the graph in float32, its name and the file's sha256."""

    model: BridgeNet
    name: str
    sha256: str


def manifest_path() -> Path:
    """weights_manifest.json of a source tree or editable install, else of the installed wheel.

    Raises
    ------
    OSError
        If neither is there.
    """
    beside = PACKAGE_FOLDER.parent / MANIFEST
    if beside.is_file():
        return beside
    try:
        files = metadata.files("bridgenet-infer") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == MANIFEST and (path := Path(str(file.locate()))).is_file():
            return path
    raise FileNotFoundError(f"{MANIFEST} found neither beside {PACKAGE_FOLDER} nor in the installed distribution")


def read_manifest() -> dict[str, dict[str, object]]:
    """Manifest entries by name; OSError if the file is missing or no manifest."""
    path = manifest_path()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["checkpoints"]
        return {str(entry["name"]): entry for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} is not a readable weights manifest: {error!r}") from error


def load_weights(weights: str | os.PathLike[str]) -> Checkpoint:
    """Load by manifest name, or from a .safetensors file or a folder that holds exactly one.

    Raises
    ------
    ValueError
        If it is no manifest name and no existing path.
    OSError
        If the file is missing, unreadable, damaged, or differs from the manifest's sha256 or size.
    """
    entries = read_manifest()
    if isinstance(weights, str) and weights in entries:
        entry = entries[weights]
        path = CHECKPOINT_FOLDER / str(entry["file"])
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if (digest, len(data)) != (entry["sha256"], entry["size"]):
            raise OSError(
                f"{path} is damaged: sha256 {digest}, {len(data)} bytes; "
                f"the manifest has {entry['sha256']}, {entry['size']} bytes"
            )
        return Checkpoint(load_checkpoint(path), weights, digest)
    path = _find_file(Path(weights), list(entries))
    return Checkpoint(load_checkpoint(path), path.stem, hashlib.sha256(path.read_bytes()).hexdigest())


def _find_file(path: Path, names: list[str]) -> Path:
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            raise OSError(f"{path} must hold exactly one .safetensors file, it has {len(found)}")
        return found[0]
    if not path.exists():
        raise ValueError(f"weights {str(path)!r} is neither a known name ({', '.join(names)}) nor an existing path")
    return path


def load_checkpoint(path: Path) -> BridgeNet:
    """Read one safetensors checkpoint, strictly: every tensor of the graph, in its shape, and no other.

    Raises
    ------
    OSError
        If the file is missing, damaged, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            tensors: dict[str, Tensor] = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise ValueError(f"its metadata has format {header.get('format')!r}, not {FORMAT!r}")
        model = build_bridgenet(BridgeNetConfig.from_dict(header["config"]))
        model.load_state_dict(tensors, strict=True)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise OSError(f"{path} is not a readable BridgeNet checkpoint: {error}") from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise OSError(f"{path} holds values that are not finite")
    return model.eval().requires_grad_(False)


def checkpoint_bytes(model: BridgeNet, notes: dict[str, str]) -> bytes:
    """Serialise a graph: fp16 tensors, config and `notes` in the metadata."""
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
    }
    header = {"format": FORMAT, "config": json.loads(model.config.to_json()), **notes}
    # one key: safetensors writes several in random order, and the file's hash would change with every release
    return save(tensors, {METADATA_KEY: json.dumps(header, sort_keys=True)})
