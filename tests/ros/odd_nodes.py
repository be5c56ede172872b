"""The ROS 1 node with other up-samplers than the network: `python tests/ros/odd_nodes.py nearest | broken`."""

from __future__ import annotations

import sys

import numpy as np

from bridgenet_infer.ros.ros1 import main


def nearest(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Pixels of the LR depth, repeated: what comes out can be compared exactly."""
    scale = len(rgb) // len(depth)
    return depth.repeat(scale, 0).repeat(scale, 1)


def broken(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """What no frame should cause."""
    raise RuntimeError("the accelerator is gone")


if __name__ == "__main__":
    chosen = {"nearest": nearest, "broken": broken}[sys.argv[1]]
    main(lambda parameters: chosen)
