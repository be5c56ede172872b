"""Compare an exported file with the package on real pairs: its depth, or for the network alone its residual."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bridgenet_infer.arrays import Array

from ..backends.per_scale import network_for, networks_of
from ..graph import Extras, Outputs
from ..pipeline.enlarge import bilinear_taps, enlarge
from ..pipeline.local_depth import measure_local_depth
from ..pipeline.validate import check_depth
from ..pipeline.wild import without_wild
from ..upsampler import DepthUpsampler
from ..weights import load_checkpoint

Inputs = dict[str, Array]
BOUND = 1e-4  # of the local reach
UNITS = 4  # in the last place of float32 depth, beside that
OUTSIDE = 1e-4  # share of the pixels that may be beyond both


@dataclass(frozen=True)
class Parity:
    """How far an exported file is from the package in float32 on one pair.

    Attributes
    ----------
    shape
        (H, W) of the result.
    differences
        (n,) of all valid pixels, in shares of the local reach of depth. Of the whole job's depth `UNITS` units in the
        last place are taken off first.
    masks_equal
        Whether the valid pixels are the same.
    """

    name: str
    shape: tuple[int, int]
    differences: npt.NDArray[np.float64]
    masks_equal: bool

    @property
    def greatest(self) -> float:
        """The greatest difference."""
        return float(self.differences.max(initial=0))

    def holds(self, bound: float = BOUND) -> bool:
        """Whether the masks are equal, and all but `OUTSIDE` of the differences within a bound."""
        return self.masks_equal and float((self.differences > bound).sum()) <= OUTSIDE * self.differences.size


@dataclass(frozen=True)
class ExportedFile:
    """A loaded file: `run` turns inputs by name into outputs in its order; `whole`: they are those of the whole job."""

    run: Callable[[Inputs], list[Array]]
    whole: bool


def check_parity(
    upsampler: DepthUpsampler, path: Path, pairs: dict[str, tuple[Any, Any]], scale: float | None = None
) -> list[Parity]:
    """Run an exported file of any form, but for a batch, on real pairs, and compare.

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
    files: dict[nn.Module, ExportedFile] = {}
    results = []
    for name, (rgb, lr_depth) in pairs.items():
        for network, inputs, expected in _record(upsampler, rgb, lr_depth):
            if chosen not in (None, network):
                continue
            if network not in files:
                files[network] = load_exported(path, networks.index(network))
            if files[network].whole:
                results.append(compare(upsampler, name, files[network], rgb, lr_depth))
            else:
                difference = np.abs(np.concatenate(files[network].run(inputs), 1).astype(np.float64) - expected)
                results.append(Parity(name, expected.shape[2:], difference.ravel(), masks_equal=True))
    return results


def compare(upsampler: DepthUpsampler, name: str, file: ExportedFile, rgb: Array, lr_depth: Array) -> Parity:
    """The whole job's result for one pair of uint8 RGB and any depth beside the package's."""
    lr_depth = lr_depth.astype(np.float32)
    predicted = upsampler.predict(rgb, lr_depth)
    expected, expected_valid = np.asarray(predicted.depth), np.asarray(predicted.valid)
    depth, valid, *further = file.run({"rgb": rgb, "lr_depth": lr_depth})
    masks_equal = np.array_equal(valid, expected_valid) and np.array_equal(valid, ~np.isnan(depth))
    if not masks_equal:
        return Parity(name, valid.shape, np.full(1, np.inf), masks_equal)
    wanted, reach = (x[valid].astype(np.float64) for x in (expected, _reach(lr_depth, valid.shape)))
    least = UNITS * np.spacing(wanted.astype(np.float32))
    beyond = [np.abs(depth[valid] - wanted) - least]
    for error in further:  # of one channel at most
        beyond.append(np.abs(error - np.asarray(predicted.expected_error))[valid] - least)
    with np.errstate(divide="ignore"):  # where all depth is equal nothing may differ
        shares = [np.where(each > 0, each / reach, 0) for each in beyond]
    return Parity(name, valid.shape, np.concatenate(shares), masks_equal)


def _reach(lr_depth: Array, size: tuple[int, ...]) -> Array:
    """(H, W): the local reach of depth, in its unit."""
    local = measure_local_depth(lr_depth, without_wild(lr_depth, check_depth(lr_depth).valid[0]))
    window = slice(0, size[0]), slice(0, size[1])
    reach = enlarge([local.maps[2:]], (size[0], size[1]), *window, bilinear_taps, torch.device("cpu"))[0, 0]
    return reach.double().numpy() * local.unit


def load_exported(path: Path, index: int = 0, extended: bool = False, threads: int = 0) -> ExportedFile:
    """Load a file for its runtime.

    Parameters
    ----------
    index
        Of the network, in a .safetensors.
    extended
        For onnxruntime: stop at its extended optimisation, the highest that it can also store.
    threads
        0 leaves their number to the runtime.
    """
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        if extended:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        whole = "lr_depth" in [each.name for each in session.get_inputs()]
        return ExportedFile(lambda inputs: session.run(None, inputs), whole)
    if path.suffix == ".xml":
        return load_openvino(path, threads)
    network = networks_of(load_checkpoint(path)[0])[index]
    extras = Extras(expected_error=network.expects_error)

    def run(inputs: Inputs) -> list[Array]:
        return [x.numpy() for x in network(*map(torch.from_numpy, inputs.values()), *extras) if x is not None]

    return ExportedFile(run, whole=False)


def load_openvino(path: Path, threads: int = 0) -> ExportedFile:
    """Load an .xml or an .onnx into OpenVINO."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
    compiled = openvino.compile_model(path, "CPU", settings)
    whole = any("lr_depth" in each.get_names() for each in compiled.inputs)
    return ExportedFile(lambda inputs: list(compiled(inputs).values()), whole)


def _record(
    upsampler: DepthUpsampler, rgb: Any, lr_depth: Any
) -> list[tuple[nn.Module, Inputs, npt.NDArray[np.float32]]]:
    """The network that runs for one pair, its inputs and its outputs as channels."""
    seen: list[tuple[nn.Module, Inputs, npt.NDArray[np.float32]]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], outputs: Outputs) -> None:
        rgb, d_up = (np.ascontiguousarray(x.numpy()) for x in inputs[:2])
        given = np.concatenate([x.numpy() for x in outputs if x is not None], 1)
        seen.append((module, {"rgb": rgb, "d_up": d_up}, given))

    hooks = [network.register_forward_hook(keep) for network in networks_of(upsampler.model)]
    try:
        upsampler.predict(rgb, lr_depth)
    finally:
        for hook in hooks:
            hook.remove()
    return seen
