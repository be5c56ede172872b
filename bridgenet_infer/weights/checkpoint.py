"""Read and write one checkpoint: a safetensors file with the graph's configuration in its metadata.

Two kinds: the graph's own tensors, or a network converted for OpenVINO, whose two files are its tensors. Of several
networks, one for each of some scales, the tensors' names begin with the scale.
"""

import json
import math
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..backends.openvino import CompiledBridgeNet
from ..backends.per_scale import Network, NetworkPerScale, SingleNetwork
from ..files import read_regular
from ..graph import BridgeNet, BridgeNetConfig, build_bridgenet

FORMAT, COMPILED_FORMAT = "bridgenet-infer/1", "bridgenet-infer/openvino/1"
METADATA_KEY = "bridgenet_infer"
Scales = tuple[float, float]


def load_checkpoint(path: Path) -> tuple[Network, Scales | None]:
    """Read one safetensors checkpoint, strictly: every tensor of the graph, in its shape, and no other.

    Returns
    -------
    The graph in float32 (or the network for OpenVINO), and the least and largest scale it was trained for, if the
    file tells.

    Raises
    ------
    OSError
        If the file is missing, damaged, or not one of ours.
    ImportError
        If it is a network for OpenVINO, which is not installed.
    """
    return parse_checkpoint(read_regular(path), path)


def parse_checkpoint(data: bytes, path: Path) -> tuple[Network, Scales | None]:
    """`load_checkpoint` of bytes that were read before, from `path`."""
    try:
        tensors = load(data)
        header = _read_header(data)
        model = _make_networks(header, tensors)
        scales = _read_scales(header.get("scales"))
    # TypeError: torch's, of widths beyond 64 bits
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RuntimeError) as error:
        reason = textwrap.shorten(str(error), 300, placeholder=" ...")  # torch lists tensors line by line
        raise OSError(f"{path} is not a readable BridgeNet checkpoint: {reason}") from error
    return model, scales


def _read_header(data: bytes) -> dict[str, Any]:
    """Our note in a safetensors file, which begins with eight bytes that count those of its JSON."""
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
    header = json.loads(metadata.get(METADATA_KEY, "{}"))
    if not isinstance(header, dict) or header.get("format") not in list(MAKERS):
        found = header.get("format") if isinstance(header, dict) else header
        raise ValueError(f"its metadata has format {found!r}, not one of {', '.join(MAKERS)}")
    return header


def _make_networks(header: dict[str, Any], tensors: dict[str, Tensor]) -> Network:
    make, config = MAKERS[header["format"]], BridgeNetConfig.from_dict(header["config"])
    if "networks" not in header:
        return make(config, tensors)
    if not isinstance(header["networks"], list):
        raise ValueError(f"its networks must be a list of scales, got {header['networks']!r}")
    parts = {scale: _part(tensors, _prefix(scale)) for scale in map(float, header["networks"])}
    if sum(map(len, parts.values())) != len(tensors):
        raise ValueError(f"it has tensors that belong to none of its networks for {header['networks']}")
    return NetworkPerScale({scale: make(config, part) for scale, part in parts.items()})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _prefix(scale: float) -> str:
    """Of the tensors' names of one of several networks."""
    return f"x{scale!r}/"


def _make_graph(config: BridgeNetConfig, tensors: dict[str, Tensor]) -> BridgeNet:
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise ValueError(f"{name} must hold finite floating-point numbers, got {tensor.dtype}")
    if config.block_count > len(tensors):
        raise ValueError(
            f"its config asks for {config.block_count} residual blocks, the file has {len(tensors)} tensors"
        )
    with torch.device("meta"):  # a config that lies about widths asks for no memory
        model = build_bridgenet(config)
    weights = {name: tensor.float() for name, tensor in tensors.items()}
    model.load_state_dict(weights, strict=True, assign=True)
    return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]


def _make_compiled(config: BridgeNetConfig, tensors: dict[str, Tensor]) -> CompiledBridgeNet:
    if tensors.keys() != {"topology", "constants"} or any(t.dtype != torch.uint8 for t in tensors.values()):
        raise ValueError(f"it must hold topology and constants, as bytes, and has {sorted(tensors)}")
    return CompiledBridgeNet(config, *(tensors[name].numpy().tobytes() for name in ("topology", "constants")))


MAKERS: dict[str, Callable[[BridgeNetConfig, dict[str, Tensor]], SingleNetwork]] = {
    FORMAT: _make_graph,
    COMPILED_FORMAT: _make_compiled,
}


def _read_scales(note: Any) -> Scales | None:
    """From "2-16" to (2.0, 16.0)."""
    if note is None:
        return None
    low, high = map(float, str(note).split("-"))
    if not 0 < low <= high < math.inf:
        raise ValueError(f"its scales must be two numbers like 2-16, got {note!r}")
    return low, high


def checkpoint_bytes(model: BridgeNet | NetworkPerScale, notes: dict[str, Any]) -> bytes:
    """Serialise a graph, or several: fp16 tensors, config and `notes` in the metadata."""
    if isinstance(model, NetworkPerScale):
        parts = zip(map(_prefix, model.scales), model.networks, strict=True)
        notes = {"networks": list(model.scales), **notes}
    else:
        parts = zip([""], [model], strict=True)
    tensors = {
        prefix + name: tensor.detach().cpu().to(torch.float16).contiguous()
        for prefix, network in parts
        for name, tensor in network.state_dict().items()
    }
    return _pack(FORMAT, tensors, model.config, notes)


def compiled_bytes(
    files: Mapping[float | None, tuple[bytes, bytes]], config: BridgeNetConfig, notes: dict[str, Any]
) -> bytes:
    """Serialise networks for OpenVINO.

    Parameters
    ----------
    files
        The contents of .xml and .bin by the scale of each network; a single one has None.
    config, notes
        For the metadata.
    """
    if None not in files:
        notes = {"networks": list(files), **notes}
    tensors = {
        (_prefix(scale) if scale else "") + name: torch.frombuffer(bytearray(content), dtype=torch.uint8)
        for scale, pair in files.items()
        for name, content in zip(("topology", "constants"), pair, strict=True)
    }
    return _pack(COMPILED_FORMAT, tensors, config, notes)


def _pack(kind: str, tensors: dict[str, Tensor], config: BridgeNetConfig, notes: dict[str, Any]) -> bytes:
    header = {"format": kind, "config": json.loads(config.to_json()), **notes}
    # one key: safetensors writes several in random order, and the file's hash would change with every release
    return save(tensors, {METADATA_KEY: json.dumps(header, sort_keys=True)})
