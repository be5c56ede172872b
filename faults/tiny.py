"""A random graph that takes milliseconds, and an up-sampler that stays near interpolation with it."""

from __future__ import annotations

import torch
from torch import Tensor

from bridgenet_infer.graph import BridgeNet, BridgeNetConfig, build_bridgenet

TINY = BridgeNetConfig(
    dsr_widths=(4, 6, 8, 12),
    mde_widths=(4, 6, 8, 10, 12),
    pyramid_width=6,
    entry_blocks=1,
    stage_blocks=(1, 1, 1),
    trunk_blocks=2,
    mde_blocks=1,
    attention_reduction=4,
    decoder_skips=True,
)
RESIDUAL = 0.05  # of the normalised range


def randomise(model: BridgeNet, seed: int = 0) -> BridgeNet:
    """Give every parameter a small random value, so that no zero-started branch hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tiny_graph() -> BridgeNet:
    """The same random graph each time."""
    torch.manual_seed(0)
    return randomise(build_bridgenet(TINY))


class BoundedBridgeNet(BridgeNet):
    """D_SR within `RESIDUAL` of D_up: what surrounds the graph can be checked against plain interpolation."""

    def forward(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool = False) -> tuple[Tensor, Tensor | None]:
        """As `BridgeNet.forward`."""
        d_sr, d_de = super().forward(rgb, d_up, estimate_depth)
        skip = d_up[:, :1].float()
        return skip + RESIDUAL * torch.tanh(d_sr - skip), d_de


def bounded_graph() -> BoundedBridgeNet:
    """The weights of `tiny_graph`, bounded."""
    model = BoundedBridgeNet(TINY)
    model.load_state_dict(tiny_graph().state_dict())
    return model.eval()
