"""The network compiled by OpenVINO for plain CPUs, in float32 or 8-bit integers (extra "openvino")."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import BridgeNetConfig, Outputs


class CompiledBridgeNet(nn.Module):
    """Stands where a `BridgeNet` does, on the CPU, and makes the residual alone.

    Parameters
    ----------
    config
        Of the graph that was converted.
    topology, constants
        Contents of OpenVINO's .xml and .bin, height and width free.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    ValueError
        If OpenVINO cannot read them.
    """

    mde = None  # conversion leaves MDENet's decoder out
    expects_error = False  # and the head for the expected error

    def __init__(self, config: BridgeNetConfig, topology: bytes, constants: bytes) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError(
                f"these weights need OpenVINO: pip install 'bridgenet-infer[openvino]' ({error})"
            ) from error
        super().__init__()
        self.config = config
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # some CPUs would silently take bf16
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),  # honours OMP_NUM_THREADS and set_num_threads
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(topology, constants), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot read the network: {error}") from error
        self._local = threading.local()  # a request holds buffers: one for each thread

    def forward(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool = False, expect_error: bool = False) -> Outputs:
        """As `BridgeNet.forward`, float32 on the CPU; there is nothing beside the residual."""
        rows = [self._infer(*pair) for pair in zip(torch.split(rgb, 1), torch.split(d_up, 1), strict=True)]
        return Outputs(torch.cat(rows) if len(rows) > 1 else rows[0], None, None)

    def _infer(self, rgb: Tensor, d_up: Tensor) -> Tensor:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        request: Any = self._local.request
        inputs = {"rgb": rgb.contiguous().numpy(), "d_up": d_up.contiguous().numpy()}
        result = request.infer(inputs, share_inputs=True)["residual"]
        return torch.from_numpy(result)  # a copy: `infer` shares nothing unless told
