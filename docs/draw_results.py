"""Draw the site's pictures of results: `python docs/draw_results.py [--weights default]`; run it after new weights.

Writes docs/street.png, as docs/desk.png but outdoors, and docs/errors.png, where bicubic and ours are wrong.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from bridgenet_infer.arrays import Array

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as for `python -m`

from bridgenet_infer import DepthUpsampler  # noqa: E402
from bridgenet_infer.demo.compare import bicubic  # noqa: E402
from bridgenet_infer.read import read_depth, read_rgb  # noqa: E402
from bridgenet_infer.visualise import colourise_depth, colourise_error, depth_span, error_limit  # noqa: E402
from bridgenet_infer.write import write_picture  # noqa: E402

BRIGHTEST = 95  # percentile of bicubic's relative error at edges that both error maps end at
EDGE = 0.02  # of the depth: what counts as an edge for that


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    upsampler = DepthUpsampler.from_pretrained(parser.parse_args().weights, device="cpu")
    rows = []
    for name in ("desk", "street"):
        folder = ROOT / "examples" / name
        rgb, lr, truth = (read(folder / file) for read, file in (
            (read_rgb, "rgb.png"), (read_depth, "depth_lr.png"), (read_depth, "depth.png"),
        ))  # fmt: skip
        ours = np.asarray(upsampler(rgb, lr))
        plain = np.where(ours > 0, bicubic(lr, truth.shape), 0)
        known, divisor = (truth > 0) & (plain > 0), np.maximum(truth, 1).astype(np.float64)
        errors = [np.abs(depth - truth) / divisor for depth in (plain, ours.astype(np.float64))]
        limit = error_limit(errors[0], known & (errors[0] > EDGE), BRIGHTEST)
        rows.append([(rgb, name), (colourise_error(errors[0], limit, known), "error, bicubic"),
                     (colourise_error(errors[1], limit, known), "error, bridgenet-infer")])  # fmt: skip
        if name == "street":
            span = depth_span(lr)
            seen, smooth, sharp = (colourise_depth(depth, span, logarithmic=True) for depth in (lr, plain, ours))
            given = cv2.resize(seen, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            panels = [(rgb, "RGB"), (given, f"depth as given, {lr.shape[1]} x {lr.shape[0]}"),
                      (smooth, "bicubic"), (sharp, "bridgenet-infer")]  # fmt: skip
            save(ROOT / "docs" / "street.png", [panels[:2], panels[2:]])
    save(ROOT / "docs" / "errors.png", rows)


def save(path: Path, rows: list[list[tuple[Array, str]]]) -> None:
    """Panels with captions, a grid, as PNG."""
    lines = []
    for row in rows:
        images = []
        for panel, caption in row:
            image = np.ascontiguousarray(panel)
            (width, _), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1)
            cv2.rectangle(image, (0, 0), (width + 20, 38), (0, 0, 0), cv2.FILLED)
            white = (255, 255, 255)
            cv2.putText(image, caption, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.8, white, 1, cv2.LINE_AA)
            images.append(image)
        lines.append(np.hstack(images))
    grid = np.vstack(lines)
    if len(rows[0]) > 2:
        grid = cv2.resize(grid, None, fx=2 / 3, fy=2 / 3, interpolation=cv2.INTER_AREA)
    write_picture(path, np.asarray(grid, np.uint8), smallest=True)


if __name__ == "__main__":
    main()
