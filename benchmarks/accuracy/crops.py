"""Where it is hard, enlarged: `python -m benchmarks.accuracy.crops [--scale 8] [--weights default]`.

Crops of Art (rings and brushes) and Laundry (lattice) into --out: RGB, bicubic, ours, truth above; below them the
absolute errors of bicubic and of ours, black for 0, brightest for a quarter of the crop's depth range.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.baselines import bicubic, round_to
from benchmarks.accuracy.metrics import mad
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.visualise import Picture, colourise_depth, colourise_error
from bridgenet_infer.write import write_picture
from datasets.scenes import middlebury2005

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
    options.out.mkdir(parents=True, exist_ok=True)
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


def compose(rgb: Picture, disparities: dict[str, Array]) -> Picture:
    """Two rows of enlarged, captioned panels; the last of `disparities` is the truth."""
    *names, last = disparities
    truth = disparities[last]
    low, high = float(truth.min()), float(max(truth.max(), truth.min() + 1))
    blank = np.zeros_like(rgb)
    coloured = [panel(colourise_depth(each, (high, low)), name) for name, each in disparities.items()]
    errors = [panel(blank, "")]
    for name in names:
        error = np.abs(disparities[name].astype(np.float64) - truth)
        caption = f"error {mad(disparities[name], truth):.2f}"
        errors.append(panel(colourise_error(error, (high - low) / 4), caption))
    return np.vstack([np.hstack([panel(rgb, "RGB"), *coloured]), np.hstack([*errors, panel(blank, "")])])


def panel(picture: Picture, caption: str) -> Picture:
    """Enlarged without smoothing, with a caption."""
    large = cv2.resize(np.ascontiguousarray(picture), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
    for thickness, ink in ((5, (0, 0, 0)), (2, (255, 255, 255))):
        cv2.putText(large, caption, (12, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.0, ink, thickness, cv2.LINE_AA)
    return np.asarray(large, np.uint8)


if __name__ == "__main__":
    main()
