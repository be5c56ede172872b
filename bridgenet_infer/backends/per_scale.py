"""Several networks of one configuration in one checkpoint, each trained around a scale of its own.

One network for all scales stays far behind: trained together, scales disturb one another.
"""

import math
from collections.abc import Mapping
from typing import cast

from torch import nn

from ..graph import BridgeNet, BridgeNetConfig
from .openvino import CompiledBridgeNet

SingleNetwork = BridgeNet | CompiledBridgeNet


class NetworkPerScale(nn.Module):
    """The networks by scale; a call runs the one whose scale is nearest to its own, as a ratio.

    Parameters
    ----------
    networks
        By the scale that each was trained around, all of one configuration.

    Raises
    ------
    ValueError
        If there is none, a scale is not positive, or the configurations differ.
    """

    def __init__(self, networks: Mapping[float, SingleNetwork]) -> None:
        super().__init__()
        if not networks or not all(0 < scale < math.inf for scale in networks):
            raise ValueError(f"networks need positive scales, got {sorted(networks)}")
        if len({network.config for network in networks.values()}) > 1:
            raise ValueError("the networks of one checkpoint must have one configuration")
        self.scales = tuple(sorted(networks))
        self.networks = nn.ModuleList(networks[scale] for scale in self.scales)
        self.config: BridgeNetConfig = networks[self.scales[0]].config

    def nearest(self, scale: float) -> SingleNetwork:
        """The network for a scale."""
        index = min(range(len(self.scales)), key=lambda i: abs(math.log(self.scales[i] / scale)))
        return cast(SingleNetwork, self.networks[index])

    @property
    def expects_error(self) -> bool:
        """As `BridgeNet.expects_error`."""
        return self.nearest(self.scales[0]).expects_error

    @property
    def mde(self) -> nn.Module | None:
        """MDENet of the first network; None where conversion has left its decoder out."""
        return self.nearest(self.scales[0]).mde


Network = SingleNetwork | NetworkPerScale


def network_for(model: Network, scale: float) -> SingleNetwork:
    """The network that runs for a scale."""
    return model.nearest(scale) if isinstance(model, NetworkPerScale) else model


def networks_of(model: Network) -> list[SingleNetwork]:
    """All of them."""
    return [model.nearest(scale) for scale in model.scales] if isinstance(model, NetworkPerScale) else [model]
