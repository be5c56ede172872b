"""Compare the network's layers with the machine's limits: the rate of matrix products and the bandwidth of copies."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from bridgenet_infer.graph import BridgeNet


@dataclass(frozen=True)
class Layer:
    """One convolution: median seconds, floating-point operations, bytes read and written at least."""

    name: str
    seconds: float
    flop: float
    traffic: float


@dataclass(frozen=True)
class Machine:
    """Operations and copied bytes (read plus written) a second, the best of several tries; CPU threads."""

    flops: float
    bandwidth: float
    threads: int


def measure_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """Multiply two square matrices of this dtype, copy an array larger than the caches."""
    side, megabytes = (8192, 2048) if device.type == "cuda" else (1536, 128)
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    source = torch.rand(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    product, copy = (min(seconds(call) for _ in range(12)) for call in (lambda: a @ b, lambda: target.copy_(source)))
    return Machine(2 * side**3 / product, 2 * source.nbytes / copy, torch.get_num_threads())


def measure_layers(model: BridgeNet, rgb: Tensor, d_up: Tensor, rounds: int = 5) -> tuple[list[Layer], float]:
    """Every convolution of D_SR on its own, slowest first, and the median seconds of the whole network."""
    taken: dict[str, list[float]] = defaultdict(list)
    work: dict[str, tuple[float, float]] = {}
    began: dict[str, float] = {}
    hooks = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue

        def start(module: nn.Module, inputs: Any, name: str = name) -> None:
            began[name] = now()

        def stop(module: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
            taken[name].append(now() - began[name])
            work[name] = _work(module, inputs[0], output)

        hooks += [module.register_forward_pre_hook(start), module.register_forward_hook(stop)]
    with torch.inference_mode():
        totals = [seconds(lambda: model(rgb, d_up)) for _ in range(rounds + 1)]
    for hook in hooks:
        hook.remove()
    layers = [Layer(name, float(np.median(times[1:])), *work[name]) for name, times in taken.items()]
    return sorted(layers, key=lambda layer: -layer.seconds), float(np.median(totals[1:]))


def profile_compiled(path: Path, scale: int, rgb: Tensor, d_up: Tensor) -> dict[str, float]:
    """Milliseconds by kind of operation of a network for OpenVINO, as its own counters tell, largest first.

    `scale` is that of the network, if the file holds several.
    """
    import openvino

    with safe_open(path, framework="pt") as file:
        prefix = "" if "topology" in file.keys() else f"x{scale}."  # noqa: SIM118 (no mapping)
        topology, constants = (file.get_tensor(prefix + name).numpy().tobytes() for name in ("topology", "constants"))
    core = openvino.Core()
    settings = {"PERF_COUNT": "YES", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(topology, constants), "CPU", settings).create_infer_request()
    for _ in range(3):
        request.infer({"rgb": rgb.contiguous().numpy(), "d_up": d_up.contiguous().numpy()})
    kinds: dict[str, float] = defaultdict(float)
    for node in request.get_profiling_info():
        kinds[f"{node.node_type} {node.exec_type.rpartition('_')[2]}"] += 1000 * node.real_time.total_seconds()
    return dict(sorted(kinds.items(), key=lambda item: -item[1]))


def _work(module: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"expected a convolution, got {type(module).__name__}")
    # a transposed convolution spreads every input pixel, a plain one gathers for every output pixel
    pixels = x.shape[2:].numel() if isinstance(module, nn.ConvTranspose2d) else y.shape[2:].numel()
    return 2.0 * len(x) * pixels * module.weight.numel(), float(4 * (x.numel() + y.numel() + module.weight.numel()))


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes, a GPU's work included."""
    start = now()
    call()
    return now() - start


def now() -> float:
    """Seconds on a clock, once a GPU has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
