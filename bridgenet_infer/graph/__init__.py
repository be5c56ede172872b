"""The BridgeNet graph: tensors in, tensors out; knows nothing of images, units, tiles or files."""

from .bridgenet import SIZE_MULTIPLE, BridgeNet, Extras, Outputs, build_bridgenet
from .config import BridgeNetConfig

__all__ = ["SIZE_MULTIPLE", "BridgeNet", "BridgeNetConfig", "Extras", "Outputs", "build_bridgenet"]
