"""Draw the README's picture from an example: `python -m examples.readme_picture [--out docs/desk.png]`."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from bridgenet_infer import read_depth, read_rgb, upsample_depth
from bridgenet_infer.demo.compare import bicubic
from bridgenet_infer.visualise import colourise_depth, depth_span
from bridgenet_infer.write import write_picture
from examples import DESK

CROP = (slice(60, 420), slice(40, 640))


def main() -> None:
    """RGB, LR depth, bicubic and ours, side by side in a 2 x 2 grid with captions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/desk.png"))
    target = parser.parse_args().out
    rgb, lr = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    span = depth_span(lr, percentiles=(0, 98))
    size = (rgb.shape[1], rgb.shape[0])
    panels = {
        "RGB": rgb,
        "depth as given, 80 x 60": cv2.resize(colourise_depth(lr, span), size, interpolation=cv2.INTER_NEAREST),
        "bicubic": colourise_depth(bicubic(lr, rgb.shape[:2]), span),
        "bridgenet-infer": colourise_depth(np.asarray(upsample_depth(rgb, lr, scale=8)), span),
    }
    images = []
    for caption, panel in panels.items():
        image = np.ascontiguousarray(panel[CROP])
        for thickness, ink in ((4, (0, 0, 0)), (1, (255, 255, 255))):
            cv2.putText(image, caption, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, thickness, cv2.LINE_AA)
        images.append(image)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_picture(target, np.vstack([np.hstack(images[:2]), np.hstack(images[2:])]), smallest=True)


if __name__ == "__main__":
    main()
