"""See a rendered frame as a simulated sensor does."""

import numpy as np
import numpy.typing as npt
import torch

from bridgenet_infer.arrays import Array
from simulation.raycast import default_camera
from simulation.sensors import SENSORS, sense


def observe(rgb: Array, depth: Array, sensor: str, scale: int, seed: int) -> npt.NDArray[np.float32]:
    """LR depth in metres as the sensor sees it, holes 0; exact depth is taken to have no hole."""
    focal = default_camera(depth.shape[1], depth.shape[0]).fx
    exact = torch.from_numpy(np.where(depth > 0, depth, depth.max()))[None, None].float()
    guide = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    sensed, valid = sense(SENSORS[sensor], exact, guide, scale, focal, torch.Generator().manual_seed(seed))
    return np.where(valid[0, 0], sensed[0, 0], 0).astype(np.float32)
