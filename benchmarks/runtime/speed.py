"""Time of networks and calls: `python -m benchmarks.runtime.speed [--weights default default-int8] [--megapixels 1 3]`.

All methods take turns in one run, so their ratios hold on a machine that others use too. "network" is the residual
of D_SR alone from prepared tensors, "call" the public call from uint8 RGB and uint16 depth to uint16 depth.
"""

import copy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.accuracy.joint_bilateral import joint_bilateral
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from benchmarks.runtime.limits import Layer, Machine, measure_layers, measure_machine, profile_compiled, seconds
from benchmarks.runtime.memory import measure_apart
from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.backends.openvino import CompiledBridgeNet
from bridgenet_infer.backends.per_scale import network_for
from bridgenet_infer.graph import BridgeNet
from bridgenet_infer.graph.blocks import ResidualBlock
from bridgenet_infer.graph.bridges import HighFrequencyAttentionBridge
from bridgenet_infer.graph.dsrnet import RESIDUAL_BOUND, DSRNet
from bridgenet_infer.weights import CHECKPOINT_FOLDER
from examples import DESK

HEIGHT, WIDTH, SCALE = 480, 640, 8  # of the desk
REFERENCE = "channels_last eager"
COLD_START = """
import time; start = time.perf_counter()
from bridgenet_infer import DepthUpsampler; import numpy as np
rgb, lr = np.zeros(({height}, {width}, 3), np.uint8), np.full(({low_height}, {low_width}), 1000, np.uint16)
DepthUpsampler.from_pretrained({weights!r}, device="cpu")(rgb, lr); print(time.perf_counter() - start)
"""
Call = Callable[[], object]


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "speed", ["default", "default-int8"])  # the first one sets the reference
    parser.add_argument("--rounds", type=int, default=300, help="frames that every method gets")
    parser.add_argument(
        "--slow-rounds", type=int, default=20, help="for the plain graph and the joint bilateral filter"
    )
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.07, 0.3, 1, 3, 10])
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: half precision, without growth and cold start")
    options = parser.parse_args()
    loaded = {name: DepthUpsampler.from_pretrained(name, device=options.device) for name in options.weights}
    device, dtype = (getattr(loaded[options.weights[0]], name) for name in ("device", "dtype"))
    rgb, lr = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    with torch.autocast(device.type, dtype=torch.float16, enabled=dtype == torch.float16):
        fast, slow = make_calls(loaded, rgb, lr)
        taken = take_turns(fast, slow, options.rounds, options.slow_rounds)
    figures = {name: summarise(times, taken[REFERENCE]) for name, times in taken.items()}
    print(format_latency(figures))
    machine = measure_machine(device, dtype)
    result: dict[str, Any] = {"threads": machine.threads, "torch": torch.__version__, "latency": figures}
    result["limits"] = {"GFLOP/s": machine.flops / 1e9, "GB/s": machine.bandwidth / 1e9}
    first = network_for(loaded[options.weights[0]].model, SCALE)
    if isinstance(first, BridgeNet):
        with torch.autocast(device.type, dtype=torch.float16, enabled=dtype == torch.float16):
            guide, d_up = map(channels_last, make_inputs(loaded[options.weights[0]]))
            layers, total = measure_layers(first, guide, d_up)
        print(f"\n{format_layers(layers, total, machine)}")
        sums = {key: sum(vars(layer)[key] for layer in layers) for key in ("seconds", "flop", "traffic")}
        result["convolutions"] = {"count": len(layers), **sums, "whole network": total}
    for name, upsampler in loaded.items():
        if isinstance(network_for(upsampler.model, SCALE), CompiledBridgeNet):
            path = Path(name) if Path(name).exists() else CHECKPOINT_FOLDER / f"{name}.safetensors"
            kinds = profile_compiled(path, SCALE, *make_inputs(upsampler))
            print(f"\n{name}, ms by operation: " + ", ".join(f"{k} {v:.1f}" for k, v in list(kinds.items())[:8]))
            result[f"profile {name}"] = kinds
    if device.type == "cpu":
        add_whole_runs(result, options.weights, options.megapixels)
        if len(options.megapixels) > 1:
            print(format_growth(result["growth"]))
    write_result(options.out / "speed.json", result, loaded.values())
    print(f"\nwritten: {options.out}")


def add_whole_runs(result: dict[str, Any], weights: Sequence[str], megapixels: Sequence[float]) -> None:
    """Measure cold start and growth, each in a process of its own."""
    result["cold start"] = {name: [cold_start(name) for _ in range(3)] for name in weights}
    print(
        "\ncold start to the first result, s: "
        + ", ".join(f"{k} {min(v):.2f}" for k, v in result["cold start"].items())
    )
    result["growth"] = {name: [measure_apart(size, SCALE, "auto", name) for size in megapixels] for name in weights}
    if len(megapixels) > 1:
        result["exponents"] = {name: slope(rows) for name, rows in result["growth"].items()}


def make_inputs(upsampler: DepthUpsampler) -> tuple[Tensor, Tensor]:
    """Random RGB and D_up as the network wants them."""
    channels = 2 if upsampler.model.config.validity_input else 1
    rgb, d_up = (torch.rand(1, count, HEIGHT, WIDTH, device=upsampler.device) for count in (3, channels))
    return rgb, d_up


def make_calls(loaded: Mapping[str, DepthUpsampler], rgb: Any, lr: Any) -> tuple[dict[str, Call], dict[str, Call]]:
    """The calls to time: our own, and those that they are compared with."""
    fast: dict[str, Call] = {}
    slow: dict[str, Call] = {}
    first = next(iter(loaded.values()))
    reference, inputs = network_for(first.model, SCALE), make_inputs(first)
    if isinstance(reference, BridgeNet):
        plain = as_in_figure_2(reference)
        nchw = copy.deepcopy(plain).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        slow["full graph with D_DE, NCHW eager"] = partial(nchw, *inputs, True)
        slow["D_SR alone, NCHW eager"] = partial(nchw, *inputs)
        fast[REFERENCE] = partial(plain, *map(channels_last, inputs))
        fast["the same, head in the last conv"] = partial(out_of_place(reference), *map(channels_last, inputs))
    for name, upsampler in loaded.items():
        network = network_for(upsampler.model, SCALE)
        fast[f"network, {name}"] = partial(network, *map(channels_last, make_inputs(upsampler)))
        fast[f"call, {name}"] = partial(upsampler, rgb, lr, SCALE)
    guide = torch.from_numpy(rgb).permute(2, 0, 1).float().contiguous().to(inputs[0].device)
    slow["joint bilateral filter"] = partial(joint_bilateral, inputs[1][0, 0], guide, SCALE)
    return fast, slow


def channels_last(x: Tensor) -> Tensor:
    """The memory order that the engine hands over."""
    return x.contiguous(memory_format=torch.channels_last)


def out_of_place(model: BridgeNet) -> BridgeNet:
    """A copy with a feature map of its own for every sum and product."""
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if isinstance(module, ResidualBlock):
            module.forward = MethodType(_residual_block, module)  # type: ignore[method-assign]
        elif isinstance(module, HighFrequencyAttentionBridge):
            module.forward = MethodType(_high_frequency_attention, module)  # type: ignore[method-assign]
    return plain


def as_in_figure_2(model: BridgeNet) -> BridgeNet:
    """The same, its last conv, pixel shuffle and head one after the other."""
    plain = out_of_place(model)
    plain.dsr.reconstruct = MethodType(_reconstruct, plain.dsr)  # type: ignore[method-assign]
    return plain


def _residual_block(block: ResidualBlock, x: Tensor) -> Tensor:
    residual: Tensor = block.conv2(block.activation(block.conv1(x)))
    return x + residual


def _high_frequency_attention(bridge: HighFrequencyAttentionBridge, f_dsr: Tensor, f_mde: Tensor) -> Tensor:
    a_hf = bridge.prelu(f_mde - bridge.deconv(F.avg_pool2d(f_mde, 2)))
    f_ha: Tensor = bridge.fusion(f_dsr, f_mde + a_hf * f_mde)
    return f_ha


def _reconstruct(dsr: DSRNet, features: Tensor) -> Tensor:
    residual = dsr.head(F.pixel_shuffle(dsr.decoder[2](features), 2))
    return RESIDUAL_BOUND * torch.tanh(residual / RESIDUAL_BOUND)


def take_turns(
    fast: Mapping[str, Call], slow: Mapping[str, Call], rounds: int, slow_rounds: int
) -> dict[str, list[float]]:
    """Seconds of every call; one call of each in turn, the slow ones in the first rounds only."""
    taken: dict[str, list[float]] = {name: [] for name in (*slow, *fast)}
    with torch.inference_mode():
        for call in (*slow.values(), *fast.values()):
            call()  # what is made at first use
        for i in range(rounds):
            for name, call in ({**slow, **fast} if i < slow_rounds else fast).items():
                taken[name].append(seconds(call))
    return taken


def summarise(seconds: Sequence[float], reference: Sequence[float]) -> dict[str, float]:
    """Milliseconds at the 50th and 99th percentile, and how many times the reference's speed in the same rounds."""
    middle, late = np.percentile(seconds, (50, 99)) * 1000
    against = float(np.median(np.asarray(reference[: len(seconds)]) / np.asarray(seconds)))
    return {"p50 ms": float(middle), "p99 ms": float(late), "speed": against, "frames": len(seconds)}


def format_latency(figures: Mapping[str, Mapping[str, float]]) -> str:
    """One line a method."""
    rows = [[name, *(f"{row[key]:.4g}" for key in row)] for name, row in figures.items()]
    header = [f"{WIDTH} x {HEIGHT}, x{SCALE}", "p50 ms", "p99 ms", f"times {REFERENCE}", "frames"]
    return text_table(header, rows)


def format_layers(layers: Sequence[Layer], total: float, machine: Machine, shown: int = 12) -> str:
    """The slowest convolutions, all of them together, and the rest."""

    def row(name: str, seconds: float, flop: float, traffic: float) -> list[str]:
        return [
            name, f"{1000 * seconds:.2f}", f"{seconds / total:.1%}", f"{flop / seconds / machine.flops:.0%}",
            f"{traffic / seconds / machine.bandwidth:.0%}",
        ]  # fmt: skip

    sums = [sum(values) for values in zip(*((x.seconds, x.flop, x.traffic) for x in layers), strict=True)]
    rows = [row(x.name, x.seconds, x.flop, x.traffic) for x in layers[:shown]]
    rows += [row(f"all {len(layers)} convolutions", *sums)]
    rows += [["everything else", f"{1000 * (total - sums[0]):.2f}", f"{1 - sums[0] / total:.1%}", "", ""]]
    header = ["layer", "ms", "share", "of matmul rate", "of bandwidth"]
    limits = f"{machine.flops / 1e9:.0f} GFLOP/s, {machine.bandwidth / 1e9:.1f} GB/s, {machine.threads} threads"
    return f"{limits}\n{text_table(header, rows)}"


def cold_start(weights: str) -> float:
    """Seconds from a new interpreter's first line to its first result."""
    code = COLD_START.format(
        height=HEIGHT, width=WIDTH, low_height=HEIGHT // SCALE, low_width=WIDTH // SCALE, weights=weights
    )
    return float(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)


def slope(rows: Sequence[Mapping[str, float]]) -> float:
    """Exponent of time over pixels, by least squares in logarithms."""
    pixels, seconds = (np.log([row[key] for row in rows]) for key in ("MP", "seconds"))
    return float(np.polyfit(pixels, seconds, 1)[0])


def format_growth(growth: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Time and memory against size."""
    columns = ("MP", "seconds", "us/net px", "growth MB")
    blocks = []
    for name, rows in growth.items():
        cells = [[f"{row[key]:.4g}" for key in columns] for row in rows]
        blocks.append(f"\n{name}: time grows as pixels ^ {slope(rows):.3f}\n{text_table(columns, cells)}")
    return "\n".join(blocks)


if __name__ == "__main__":
    main()
