"""The nodes with other up-samplers than the network: `python tests/ros/odd_nodes.py ros1 nearest`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np


def nearest(rgb: np.ndarray, depth: np.ndarray, **options: Any) -> np.ndarray:
    """Pixels of the LR depth, repeated: what comes out can be compared exactly."""
    scale = len(rgb) // len(depth)
    return depth.repeat(scale, 0).repeat(scale, 1)


def broken(rgb: np.ndarray, depth: np.ndarray, **options: Any) -> np.ndarray:
    """What no frame should cause."""
    raise RuntimeError("the accelerator is gone")


def slow(rgb: np.ndarray, depth: np.ndarray, **options: Any) -> np.ndarray:
    """A second of work, announced."""
    sys.stdout.write("working\n")
    sys.stdout.flush()
    time.sleep(1)
    return nearest(rgb, depth)


def endless(parameters: object) -> Callable[..., np.ndarray]:
    """Weights that take long to load, announced."""
    sys.stdout.write("loading\n")
    sys.stdout.flush()
    time.sleep(600)
    return nearest


if __name__ == "__main__":
    ros, name, *_ = sys.argv[1:]
    chosen: Any = globals()[name]
    sys.exit(import_module(f"bridgenet_infer.ros.{ros}").main(endless if name == "endless" else lambda _: chosen))
