"""The network as an ONNX or OpenVINO file: `python -m bridgenet_infer.export --format onnx [--weights default]`.

The file holds the network alone, with height and width free (multiples of 16). What surrounds it is described in the
file's metadata: normalisation, interpolation, padding and D_SR from the residual are the caller's work.
"""

from .network import CONTRACT, Format, convert_to_openvino, export, pack_openvino, scales_of
from .parity import Parity, check_parity

__all__ = [
    "CONTRACT",
    "Format",
    "Parity",
    "check_parity",
    "convert_to_openvino",
    "export",
    "pack_openvino",
    "scales_of",
]
