"""A node with a clock around its up-sampler and its network: `timed_node ros1 TIMELINE ...`, for `ros_live`."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.backends.per_scale import networks_of
from bridgenet_infer.ros.parameters import NodeParameters, Upsample


class Clock:
    """Adds up the seconds of networks' calls; one runs at a time."""

    def __init__(self) -> None:
        self.seconds = self._began = 0.0

    def watch(self, network: nn.Module) -> None:
        """From now on."""
        network.register_forward_pre_hook(self._start)
        network.register_forward_hook(self._stop)

    def _start(self, *_: Any) -> None:
        self._began = time.monotonic()

    def _stop(self, *_: Any) -> None:
        self.seconds += time.monotonic() - self._began


timeline: list[tuple[float, float, float]] = []


def load(parameters: NodeParameters) -> Upsample:
    """As the node does it, timed."""
    upsampler = DepthUpsampler.from_pretrained(parameters.weights, device="cpu")
    clock = Clock()
    for network in networks_of(upsampler.model):
        clock.watch(network)

    def upsample(rgb: Any, depth: Any, *, scale: float | str, fill_holes: bool) -> Any:
        before, start = clock.seconds, time.monotonic()
        result = upsampler(rgb, depth, scale, fill_holes=fill_holes)
        timeline.append((start, time.monotonic(), clock.seconds - before))
        return result

    return upsample


if __name__ == "__main__":
    ros, target = sys.argv[1:3]
    del sys.argv[1:3]
    code = import_module(f"bridgenet_infer.ros.{ros}").main(load)
    Path(target).write_text(json.dumps(timeline))
    sys.exit(code)
