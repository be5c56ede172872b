"""Where it is hard, enlarged: `python -m benchmarks.accuracy.crops [--scale 8] [--weights default]`.

Crops of Art (rings and brushes) and Laundry (lattice) into --out: RGB, bicubic, ours, truth above; below them the
absolute errors of bicubic and of ours, black for 0, brightest for a quarter of the crop's depth range.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.baselines import bicubic, round_to
from benchmarks.accuracy.metrics import mad
from benchmarks.accuracy.pictures import write_picture
from bridgenet_infer import DepthUpsampler
from datasets.scenes import middlebury2005

Array = npt.NDArray[Any]
SIDE, ENLARGED = 288, 3
CROPS = {"Art": ((0, 680), (448, 740)), "Laundry": ((0, 290), (200, 860))}  # top and left


def main() -> None:
    """Command line of the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(4, 8, 16), default=8)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--out", type=Path, default=Path("out", "crops"))
    options = parser.parse_args()
    upsampler = DepthUpsampler.from_pretrained(options.weights)
    for scene in middlebury2005():
        if scene.name not in CROPS:
            continue
        lr = scene.lr_depth(options.scale)
        depths = {
            "bicubic": round_to(bicubic(lr, scene.depth.shape), np.uint8),
            upsampler.name: np.asarray(upsampler(scene.rgb, lr, options.scale)),
            "truth": scene.depth,
        }
        for number, (top, left) in enumerate(CROPS[scene.name]):
            window = (slice(top, top + SIDE), slice(left, left + SIDE))
            path = options.out / f"{scene.name.lower()}_{number}_x{options.scale}_{upsampler.name}.png"
            write_picture(path, compose(scene.rgb[window], {name: depth[window] for name, depth in depths.items()}))
            print(path)


def compose(rgb: Array, depths: dict[str, Array]) -> npt.NDArray[np.uint8]:
    """Two rows of enlarged, captioned panels; the last of `depths` is the truth."""
    *names, last = depths
    truth = depths[last]
    low, high = float(truth.min()), float(max(truth.max(), truth.min() + 1))
    blank = np.zeros_like(rgb)
    first = [panel(rgb, "RGB"), *(panel(_coloured((d - low) / (high - low)), name) for name, d in depths.items())]
    second = [panel(blank, "")]
    for name in names:
        error = np.abs(depths[name].astype(np.float64) - truth)
        second.append(panel(_coloured(4 * error / (high - low)), f"error {mad(depths[name], truth):.2f}"))
    second.append(panel(blank, ""))
    return np.asarray(np.vstack([np.hstack(first), np.hstack(second)]), np.uint8)


def panel(picture: Array, caption: str) -> Array:
    """Enlarged without smoothing, with a caption."""
    large = cv2.resize(np.ascontiguousarray(picture), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
    for thickness, ink in ((5, (0, 0, 0)), (2, (255, 255, 255))):
        cv2.putText(large, caption, (12, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.0, ink, thickness, cv2.LINE_AA)
    return large


def _coloured(unit: Array) -> Array:
    levels = (np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


if __name__ == "__main__":
    main()
