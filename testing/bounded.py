"""The tiny graph, kept near interpolation, so that the steps around it can be checked."""

import torch
from torch import Tensor

from bridgenet_infer.graph import BridgeNet, Outputs
from testing.tiny import TINY, tiny_model

RESIDUAL = 0.05  # of the local reach


class BoundedBridgeNet(BridgeNet):
    """A residual within +-`RESIDUAL`, so that results can be compared with plain interpolation."""

    def forward(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool = False, expect_error: bool = False) -> Outputs:
        """As `BridgeNet.forward`."""
        outputs = super().forward(rgb, d_up, estimate_depth, expect_error)
        return outputs._replace(residual=RESIDUAL * torch.tanh(outputs.residual))


def bounded_graph() -> BoundedBridgeNet:
    """The weights of `tiny_model`, bounded."""
    model = BoundedBridgeNet(TINY)
    model.load_state_dict(tiny_model().state_dict())
    return model.eval()
