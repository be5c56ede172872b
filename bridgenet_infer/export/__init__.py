"""One ONNX or OpenVINO file that does the whole job: `python -m bridgenet_infer.export --format onnx --scale 8`.

`rgb` (H, W, 3) uint8 and `lr_depth` (h, w) float32 go in, `depth` (H, W) in the same unit and `valid` come out. The
network alone is a flag. The file's metadata describe its interface and the weights in it.
"""

from .network import CONTRACT, NETWORK_CONTRACT, Form, Format, convert_to_openvino, export, pack_openvino, scales_of
from .parity import ExportedFile, Parity, check_parity, compare, load_exported, load_openvino

__all__ = [
    "CONTRACT",
    "NETWORK_CONTRACT",
    "ExportedFile",
    "Form",
    "Format",
    "Parity",
    "check_parity",
    "compare",
    "convert_to_openvino",
    "export",
    "load_exported",
    "load_openvino",
    "pack_openvino",
    "scales_of",
]
