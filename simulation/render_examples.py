"""Render the example pairs beside this file: `python -m simulation.render_examples`."""

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from bridgenet_infer.arrays import Array
from bridgenet_infer.demo.scenes import shrink
from simulation.raycast import build_scene, default_camera, render

FOLDER = Path(__file__).parents[1] / "examples"
SCALE = 8
MILLIMETRES = 1000
UINT16_LIMIT = 65.0  # metres that uint16 millimetres can hold; farther is a hole
SCENES = {"desk": ("indoor", 8, 14.0), "street": ("outdoor", 1, 0.0)}  # kind, seed, degrees looking down


def main() -> None:
    """Write rgb.png, depth.png (exact) and depth_lr.png for every scene."""
    for name, (kind, seed, pitch) in SCENES.items():
        pose = trimesh.transformations.rotation_matrix(-np.radians(pitch), [1, 0, 0])
        rgb, depth = render(build_scene(seed, kind), default_camera(), pose, seed)  # type: ignore[arg-type]
        depth = np.where(depth < UINT16_LIMIT, depth, 0).astype(np.float32)
        images: dict[str, Array] = {
            "rgb": rgb,
            "depth": (depth * MILLIMETRES + 0.5).astype(np.uint16),
            "depth_lr": shrink(depth * np.float32(MILLIMETRES), SCALE),
        }
        (FOLDER / name).mkdir(exist_ok=True)
        for stem, array in images.items():
            Image.fromarray(array).save(FOLDER / name / f"{stem}.png", optimize=True)


if __name__ == "__main__":
    main()
