"""The network compiled by OpenVINO for plain CPUs, in float32 or 8-bit integers (extra "openvino")."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import BridgeNetConfig, Outputs

ERROR_OUTPUT = "expected_error"


class CompiledBridgeNet(nn.Module):
    """Stands where a `BridgeNet` does, on the CPU, and makes the residual and perhaps the expected error.

    Parameters
    ----------
    config
        Of the graph that was converted.
    topology, constants
        Contents of OpenVINO's .xml and .bin, height and width free.

    Attributes
    ----------
    network
        The `openvino.Model` of both outputs.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    ValueError
        If OpenVINO cannot read them.
    """

    mde = None  # conversion leaves MDENet's decoder out

    def __init__(self, config: BridgeNetConfig, topology: bytes, constants: bytes) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError(
                f"these weights need OpenVINO: pip install 'bridgenet-infer[openvino]' ({error})"
            ) from error
        super().__init__()
        self.config = config
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # some CPUs would silently take bf16
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),  # honours OMP_NUM_THREADS and set_num_threads
        }
        self._core = openvino.Core()
        try:
            self.network = self._core.read_model(topology, constants)
            plain = self.network.clone()
            further = [output.node for output in plain.outputs if ERROR_OUTPUT in output.names]
            for result in further:
                plain.remove_result(result)
            self._compiled = {False: self._core.compile_model(plain, "CPU", self._settings)}
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot read the network: {error}") from error
        self.expects_error = bool(further)
        self._lock = threading.Lock()
        self._local = threading.local()  # a request holds buffers: one for each thread

    def forward(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool = False, expect_error: bool = False) -> Outputs:
        """As `BridgeNet.forward`, float32 on the CPU; D_DE is always None."""
        rows = [
            self._infer(expect_error, *pair) for pair in zip(torch.split(rgb, 1), torch.split(d_up, 1), strict=True)
        ]
        residual, *further = (torch.cat(each) if len(each) > 1 else each[0] for each in zip(*rows, strict=True))
        return Outputs(residual, None, further[0] if further else None)

    def _infer(self, expect_error: bool, rgb: Tensor, d_up: Tensor) -> list[Tensor]:
        requests: dict[bool, Any] = self._local.__dict__.setdefault("requests", {})
        if expect_error not in requests:
            with self._lock:  # compiled when it is asked for: a plain call is not to pay for it
                if expect_error not in self._compiled:
                    self._compiled[expect_error] = self._core.compile_model(self.network, "CPU", self._settings)
            requests[expect_error] = self._compiled[expect_error].create_infer_request()
        inputs = {"rgb": rgb.contiguous().numpy(), "d_up": d_up.contiguous().numpy()}
        results = requests[expect_error].infer(inputs, share_inputs=True)
        # copies: `infer` shares nothing unless told
        return [torch.from_numpy(results[name]) for name in ("residual", ERROR_OUTPUT)[: 1 + expect_error]]
