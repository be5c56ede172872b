"""One checkpoint file: safetensors with the graph's config in its metadata; no pickle, strict loading."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..graph import BridgeNet, BridgeNetConfig, build_bridgenet

FORMAT = "bridgenet-infer/1"
METADATA_KEY = "bridgenet_infer"
Scales = tuple[float, float]


def load_checkpoint(path: Path) -> tuple[BridgeNet, Scales | None]:
    """Read one safetensors checkpoint, strictly: every tensor of the graph, in its shape, and no other.

    Returns
    -------
    The graph in float32, and the least and largest scale it was trained for, if the file tells.

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
        scales = _read_scales(header.get("scales"))
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise OSError(f"{path} is not a readable BridgeNet checkpoint: {error}") from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise OSError(f"{path} holds values that are not finite")
    return model.eval().requires_grad_(False), scales


def _read_scales(note: str | None) -> Scales | None:
    """From "2-16" to (2.0, 16.0)."""
    if note is None:
        return None
    low, high = note.split("-")
    return float(low), float(high)


def checkpoint_bytes(model: BridgeNet, notes: dict[str, str]) -> bytes:
    """Serialise a graph: fp16 tensors, config and `notes` in the metadata."""
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
    }
    header = {"format": FORMAT, "config": json.loads(model.config.to_json()), **notes}
    # one key: safetensors writes several in random order, and the file's hash would change with every release
    return save(tensors, {METADATA_KEY: json.dumps(header, sort_keys=True)})
