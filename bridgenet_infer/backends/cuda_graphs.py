"""Record the network as a CUDA graph, which launches hundreds of small kernels at once."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .devices import is_out_of_memory

Forward = Callable[[Tensor, Tensor], Tensor]

MOST_PIXELS = 2**20  # of a batch: beyond, kernels take longer than their launches, and a recording holds their memory
MOST_RECORDINGS = 4  # the first stay: more shapes in turn would be recorded anew each time
MOST_SEEN = 64
# of residual and D_DE, that is of the local reach of depth: a recording that differs by more from what it recorded is
# not used
TOLERANCE = 1e-2


@dataclass(frozen=True)
class Recording:
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    rgb: Tensor
    d_up: Tensor
    result: Tensor


class Replay:
    """Runs `forward` on CUDA, from the second batch of a shape on as a recorded graph.

    Safe to call from several threads. A shape that cannot be recorded, or whose recording does not repeat the result,
    is run as usual, with one warning.

    Parameters
    ----------
    forward
        (rgb, d_up) -> a new tensor; launches the same kernels for inputs of one shape, without waiting for them.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._lock = threading.Lock()
        self._recordings: dict[tuple[int, ...], Recording | None] = {}
        self._seen: set[tuple[int, ...]] = set()  # once: a recording takes as long as several runs

    def __call__(self, rgb: Tensor, d_up: Tensor) -> Tensor:
        """Inputs on CUDA, (N, 3, h, w) and (N, 1 or 2, h, w) -> the result, a tensor of its own."""
        shape = tuple(rgb.shape)
        if rgb[:, 0].numel() > MOST_PIXELS:
            return self._forward(rgb, d_up)
        with self._lock:
            recording = self._recordings.get(shape)
            if recording is None:
                result = self._forward(rgb, d_up)
                if shape not in self._seen:
                    self._seen = {shape, *(self._seen if len(self._seen) < MOST_SEEN else ())}
                elif shape not in self._recordings and len(self._recordings) < MOST_RECORDINGS:
                    self._recordings[shape] = self._record(rgb, d_up, result)
                return result
            recording.rgb.copy_(rgb)
            recording.d_up.copy_(d_up)
            recording.graph.replay()
            return recording.result.clone()

    def _record(self, rgb: Tensor, d_up: Tensor, expected: Tensor) -> Recording | None:
        inputs = [x.clone(memory_format=torch.channels_last) for x in (rgb, d_up)]
        graph = torch.cuda.CUDAGraph()
        try:
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries choose and load kernels; that cannot be recorded
                for _ in range(2):
                    self._forward(*inputs)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph):
                result = self._forward(*inputs)
            graph.replay()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                warnings.warn(f"CUDA cannot record batches of {tuple(rgb.shape)} as a graph: {error}", stacklevel=2)
            return None
        if not torch.allclose(result, expected, rtol=0, atol=TOLERANCE, equal_nan=True):
            shape = tuple(rgb.shape)
            warnings.warn(f"the CUDA graph for batches of {shape} gave other results, so it is not used", stacklevel=2)
            return None
        return Recording(graph, inputs[0], inputs[1], result)
