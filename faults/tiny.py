"""What campaigns and tests run on: a tiny random graph."""

from __future__ import annotations

import torch

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


def randomise(model: BridgeNet, seed: int = 0) -> BridgeNet:
    """Give every parameter a small random value, so that no zero-started branch hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tiny_model(seed: int = 0) -> BridgeNet:
    """The graph of `TINY`, the same whatever ran before."""
    torch.manual_seed(seed)
    return randomise(build_bridgenet(TINY), seed)
