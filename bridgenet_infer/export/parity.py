"""An exported file against torch, on the inputs that the network gets for real pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..upsampler import DepthUpsampler
from ..weights import load_checkpoint

Inputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Parity:
    """How far the exported network is from torch in float32 on one pair, in shares of the depth's range."""

    name: str
    shape: tuple[int, int]
    greatest: float
    mean: float


def check_parity(upsampler: DepthUpsampler, path: Path, pairs: dict[str, tuple[Any, Any]]) -> list[Parity]:
    """Run the exported file on the inputs that the network gets for real pairs, and compare.

    Parameters
    ----------
    pairs
        By name, RGB and LR depth as for `DepthUpsampler`.
    """
    run = LOADERS[path.suffix](path)
    results = []
    for name, (rgb, lr_depth) in pairs.items():
        for inputs, expected in _record(upsampler, rgb, lr_depth):
            difference = np.abs(run(inputs) - expected)
            shape = (expected.shape[2], expected.shape[3])
            results.append(Parity(name, shape, float(difference.max()), float(difference.mean())))
    return results


def _load_onnx(path: Path) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"rgb": inputs[0], "d_up": inputs[1]})[0]


def _load_openvino(path: Path) -> Any:
    import openvino

    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: compiled(list(inputs))[0]


def _load_packed(path: Path) -> Any:
    network, _ = load_checkpoint(path)
    return lambda inputs: network(*map(torch.from_numpy, inputs))[0].numpy()


LOADERS: dict[str, Callable[[Path], Any]] = {
    ".onnx": _load_onnx,
    ".xml": _load_openvino,
    ".safetensors": _load_packed,
}


def _record(upsampler: DepthUpsampler, rgb: Any, lr_depth: Any) -> list[tuple[Inputs, npt.NDArray[np.float32]]]:
    """What goes into the network and comes out of it for one pair."""
    seen: list[tuple[Inputs, npt.NDArray[np.float32]]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]) -> None:
        rgb, d_up = (np.ascontiguousarray(x.numpy()) for x in inputs[:2])
        seen.append(((rgb, d_up), output[0].numpy()))

    hook = upsampler.model.register_forward_hook(keep)
    try:
        upsampler(rgb, lr_depth)
    finally:
        hook.remove()
    return seen
