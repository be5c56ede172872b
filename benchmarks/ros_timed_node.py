"""The ROS 1 node with a clock around its up-sampler and its network (see `benchmarks.ros_live`)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import rospy

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.robotics.parameters import NodeParameters, Upsample
from bridgenet_infer.robotics.ros1 import main


class TimedNetwork:
    """A network that adds up the seconds of its calls."""

    def __init__(self, network: Any) -> None:
        self.network, self.seconds = network, 0.0

    def __call__(self, *inputs: Any) -> Any:
        """As the network's own."""
        start = time.monotonic()
        result = self.network(*inputs)
        self.seconds += time.monotonic() - start
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


timeline: list[tuple[float, float, float]] = []


def load(parameters: NodeParameters) -> Upsample:
    """As the node does it, timed."""
    upsampler = DepthUpsampler.from_pretrained(parameters.weights, device="cpu")
    network = TimedNetwork(upsampler.model)
    upsampler.model = network  # type: ignore[assignment]

    def upsample(rgb: Any, depth: Any) -> Any:
        before, start = network.seconds, time.monotonic()
        result = upsampler(rgb, depth)
        timeline.append((start, time.monotonic(), network.seconds - before))
        return result

    return upsample


if __name__ == "__main__":
    main(load)
    Path(rospy.get_param("~timeline")).write_text(json.dumps(timeline))
