"""The README's picture from an example: `python -m examples.readme_picture [--out docs/desk.png]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer import upsample_depth
from bridgenet_infer.files import write_atomically
from bridgenet_infer.read import read_depth, read_rgb
from examples.compare import bicubic

Array = npt.NDArray[Any]
FOLDER = Path(__file__).parent
CROP = (slice(60, 420), slice(40, 640))


def colour(depth: Array, low: float, high: float) -> Array:
    """(H, W) depth -> BGR, near bright."""
    nearness = np.clip((high - depth.astype(np.float64)) / (high - low), 0, 1)
    return cv2.applyColorMap((nearness * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)


def main() -> None:
    """RGB, LR depth, bicubic and ours, side by side in a 2 x 2 grid with captions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/desk.png"))
    target = parser.parse_args().out
    rgb, lr = read_rgb(FOLDER / "desk" / "rgb.png"), read_depth(FOLDER / "desk" / "depth_lr.png")
    low, high = float(lr.min()), float(np.percentile(lr, 98))
    size = (rgb.shape[1], rgb.shape[0])
    panels = {
        "RGB": rgb[..., ::-1],
        "depth as given, 80 x 60": cv2.resize(colour(lr, low, high), size, interpolation=cv2.INTER_NEAREST),
        "bicubic": colour(bicubic(lr, rgb.shape[:2]), low, high),
        "bridgenet-infer": colour(np.asarray(upsample_depth(rgb, lr, scale=8)), low, high),
    }
    images = []
    for caption, panel in panels.items():
        image = np.ascontiguousarray(panel[CROP])
        for thickness, ink in ((4, (0, 0, 0)), (1, (255, 255, 255))):
            cv2.putText(image, caption, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, thickness, cv2.LINE_AA)
        images.append(image)
    grid = np.vstack([np.hstack(images[:2]), np.hstack(images[2:])])
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, cv2.imencode(".png", grid)[1].tobytes())


if __name__ == "__main__":
    main()
