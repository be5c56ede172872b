"""Optimisers: Muon for wide kernels, small steps for gates, rates that rise, stay and fall; networks without RGB."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from testing.tiny import TINY
from training.config import OptimConfig, RunConfig
from training.muon import Muon, orthogonalise, owned_by_muon
from training.release import ignores_rgb
from training.train import Run, rate_factor


@given(st.integers(0, 2**31), st.sampled_from([(8, 72), (64, 8), (32, 32)]))
def test_muons_steps_have_singular_values_near_one(seed: int, shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(seed))
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_muon_owns_wide_kernels_alone_and_lowers_a_loss() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3), torch.nn.ConvTranspose2d(8, 8, 4), torch.nn.Conv2d(8, 1, 1))
    assert owned_by_muon(model) == {"0.weight"}
    target, x = torch.randn(2, 8, 6, 6), torch.randn(2, 8, 8, 8)
    optimiser = Muon([model[0].weight], lr=0.02)
    losses = []
    for _ in range(60):
        loss = (model[0](x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_muons_kernels_stay_below_the_inverse_of_their_decay() -> None:
    kernel = torch.nn.Parameter(torch.zeros(8, 8, 1, 1))
    optimiser = Muon([kernel], lr=0.02, weight_decay=0.5)
    for _ in range(1000):  # one direction for ever: the steps alone would sum to 20
        kernel.grad = -torch.eye(8)[:, :, None, None]
        optimiser.step()
    assert 1 < torch.linalg.svdvals(kernel.detach()[:, :, 0, 0]).max() < 2.5


def test_attention_gates_take_the_smallest_steps() -> None:
    run = Run(RunConfig("tiny", model=TINY), [], torch.device("cpu"))
    rates = {
        id(p): group["lr"] for optimiser in run.optimisers for group in optimiser.param_groups for p in group["params"]
    }
    named = dict(run.model.named_parameters())
    assert rates.keys() == {id(parameter) for parameter in named.values()}
    fusion = "guidance_bridges.0.fusion."
    gates = ("spatial_attention.conv.weight", "channel_attention.squeeze.bias", "channel_attention.excite.weight")
    assert {rates[id(named[fusion + gate])] for gate in gates} == {1e-4}
    assert rates[id(named["dsr.head.weight"])] == 1e-3


def test_a_network_without_ear_for_rgb_is_named() -> None:
    figures = {"x4": 0.5, "score_x4": 0.51, "unguided_x4": 0.512, "x8": 0.9, "score_x8": 0.45, "unguided_x8": 0.52}
    assert ignores_rgb(figures, [4])
    assert not ignores_rgb(figures, [8])
    assert not ignores_rgb(figures, [4, 8])
    assert not ignores_rgb({}, [4])  # no scenes to validate on


def test_rates_rise_stay_and_fall() -> None:
    config = OptimConfig(steps=100, warmup=10, decay=20)
    factors = [rate_factor(config, step) for step in range(101)]
    assert factors[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert factors[10:80] == [1] * 70
    assert factors[80:] == pytest.approx([1 - i / 20 for i in range(21)])
    assert rate_factor(replace(config, decay=0), 99) == 1
