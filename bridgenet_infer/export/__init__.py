"""The network as an ONNX or OpenVINO file: `python -m bridgenet_infer.export --format onnx [--weights lite]`.

The file holds D_SR alone, with height and width free (multiples of 16). What surrounds the network is described in
the file's metadata: normalisation, interpolation and padding are the caller's work.
"""

from .network import CONTRACT, Format, convert_to_openvino, export, pack_openvino
from .parity import Parity, check_parity

__all__ = ["CONTRACT", "Format", "Parity", "check_parity", "convert_to_openvino", "export", "pack_openvino"]
