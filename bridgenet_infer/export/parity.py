"""Compare an exported file with PyTorch on the network's inputs for real pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..backends.per_scale import network_for, networks_of
from ..graph import Extras, Outputs
from ..upsampler import DepthUpsampler
from ..weights import load_checkpoint

Inputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Parity:
    """How far the exported network is from torch in float32 on one pair, in shares of the local reach of depth.

    Of both outputs, where there is an expected error.
    """

    name: str
    shape: tuple[int, int]
    greatest: float
    mean: float


def check_parity(
    upsampler: DepthUpsampler, path: Path, pairs: dict[str, tuple[Any, Any]], scale: float | None = None
) -> list[Parity]:
    """Run the exported file on the inputs that the network gets for real pairs, and compare.

    Of several networks in one file the one runs that a pair's scale asks for. A pair whose scale asks for another
    network than the file's is passed over.

    Parameters
    ----------
    scale
        Which of several networks the file holds; None for all.
    pairs
        By name, RGB and LR depth as for `DepthUpsampler`.
    """
    chosen = None if scale is None else network_for(upsampler.model, scale)
    networks: list[nn.Module] = [*networks_of(upsampler.model)]
    runs: dict[nn.Module, Any] = {}
    results = []
    for name, (rgb, lr_depth) in pairs.items():
        for network, inputs, expected in _record(upsampler, rgb, lr_depth):
            if chosen not in (None, network):
                continue
            if network not in runs:
                runs[network] = LOADERS[path.suffix](path, networks.index(network))
            difference = np.abs(np.concatenate(runs[network](inputs), 1) - expected)
            shape = (expected.shape[2], expected.shape[3])
            results.append(Parity(name, shape, float(difference.max()), float(difference.mean())))
    return results


def _load_onnx(path: Path, index: int) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"rgb": inputs[0], "d_up": inputs[1]})


def _load_openvino(path: Path, index: int) -> Any:
    import openvino

    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: list(compiled(list(inputs)).values())


def _load_packed(path: Path, index: int) -> Any:
    network = networks_of(load_checkpoint(path)[0])[index]
    extras = Extras(expected_error=network.expects_error)
    return lambda inputs: [x.numpy() for x in network(*map(torch.from_numpy, inputs), *extras) if x is not None]


LOADERS: dict[str, Callable[[Path, int], Any]] = {
    ".onnx": _load_onnx,
    ".xml": _load_openvino,
    ".safetensors": _load_packed,
}


def _record(
    upsampler: DepthUpsampler, rgb: Any, lr_depth: Any
) -> list[tuple[nn.Module, Inputs, npt.NDArray[np.float32]]]:
    """The network that runs for one pair, its inputs and its outputs as channels."""
    seen: list[tuple[nn.Module, Inputs, npt.NDArray[np.float32]]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], outputs: Outputs) -> None:
        rgb, d_up = (np.ascontiguousarray(x.numpy()) for x in inputs[:2])
        seen.append((module, (rgb, d_up), np.concatenate([x.numpy() for x in outputs if x is not None], 1)))

    hooks = [network.register_forward_hook(keep) for network in networks_of(upsampler.model)]
    try:
        upsampler.predict(rgb, lr_depth)
    finally:
        for hook in hooks:
            hook.remove()
    return seen
