"""The speed benchmark's arithmetic: ratios, layers, growth."""

import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.runtime.limits import Machine, measure_layers
from benchmarks.runtime.speed import as_in_figure_2, format_layers, slope, summarise, take_turns
from bridgenet_infer.graph import BridgeNet
from testing import tiny


def test_calls_take_turns_and_slow_ones_stop_early() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = take_turns({"a": calls["a"], "b": calls["b"]}, {"c": calls["c"]}, rounds=3, slow_rounds=1)
    assert "".join(order) == "cab" + "cab" + "ab" + "ab"  # the first of each is not timed
    assert {name: len(times) for name, times in seconds.items()} == {"c": 1, "a": 3, "b": 3}


def test_speed_is_the_middle_ratio_of_the_same_rounds() -> None:
    reference = [0.1, 0.2, 0.4, 9.0]
    figures = summarise([0.05, 0.1, 0.2], reference)  # half of each, whatever the machine did meanwhile
    assert figures["speed"] == pytest.approx(2)
    assert figures["p50 ms"] == pytest.approx(100)
    assert figures["frames"] == 3


def test_growth_is_the_exponent() -> None:
    assert slope([{"MP": mp, "seconds": 3 * mp**1.25} for mp in (0.1, 1, 10)]) == pytest.approx(1.25)


def test_layers_add_up_to_the_networks_operations(tiny_model: BridgeNet) -> None:
    rgb, d_up = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
    plain = as_in_figure_2(tiny_model)  # all of its work is in modules
    layers, total = measure_layers(plain, rgb, d_up, rounds=2)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        plain(rgb, d_up)
    assert sum(layer.flop for layer in layers) == counter.get_total_flops()
    assert [layer.seconds for layer in layers] == sorted((layer.seconds for layer in layers), reverse=True)
    assert sum(layer.seconds for layer in layers) < total
    assert "everything else" in format_layers(layers, total, Machine(1e11, 1e10, 2))


def test_lossless_work_changes_no_result_and_no_weight() -> None:
    model = tiny.tiny_model()
    before = copy.deepcopy(model.state_dict())
    plain = as_in_figure_2(model)
    rgb, d_up = torch.rand(2, 3, 32, 48), torch.rand(2, 1, 32, 48)
    assert torch.allclose(plain(rgb, d_up)[0], model(rgb, d_up)[0], atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
