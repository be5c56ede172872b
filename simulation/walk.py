"""Frames of a camera that walks past a table."""

from collections.abc import Iterable

import numpy as np
import trimesh

from bridgenet_infer.arrays import Array
from simulation.raycast import Camera, build_scene, render

SCENE = 2014


def walk(camera: Camera, frames: int) -> Iterable[tuple[Array, Array]]:
    """RGB (H, W, 3) uint8 and exact depth (H, W) float32 metres of every frame.

    The camera goes 30 mm a frame to the right and turns back towards the things on the table.
    """
    scene = build_scene(SCENE)
    for index in range(frames):
        step = index - (frames - 1) / 2
        pose = trimesh.transformations.euler_matrix(np.radians(-12), np.radians(-0.8 * step), 0)
        pose[:3, 3] = [0.2 + 0.03 * step, 0, 0.35]
        yield render(scene, camera, pose, seed=index)
