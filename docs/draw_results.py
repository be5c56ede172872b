"""The site's pictures of results: `python docs/draw_results.py [--weights default]`; run again after new weights.

Writes docs/street.png, as docs/desk.png but outdoors, and docs/errors.png, where bicubic and ours are wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as for `python -m`

from bridgenet_infer import DepthUpsampler  # noqa: E402
from bridgenet_infer.files import write_atomically  # noqa: E402
from bridgenet_infer.read import read_depth, read_rgb  # noqa: E402
from examples.compare import bicubic  # noqa: E402

Array = npt.NDArray[Any]
BRIGHTEST = 95  # percentile of bicubic's error at edges that the error maps end at
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
        errors = [colour_error(depth, plain, truth) for depth in (plain, ours)]
        rows.append([(rgb[..., ::-1], name), (errors[0], "error, bicubic"), (errors[1], "error, bridgenet-infer")])
        if name == "street":
            small = cv2.resize(colour_depth(lr, lr), truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            panels = [(rgb[..., ::-1], "RGB"), (small, f"depth as given, {lr.shape[1]} x {lr.shape[0]}"),
                      (colour_depth(plain, lr), "bicubic"), (colour_depth(ours, lr), "bridgenet-infer")]  # fmt: skip
            save(ROOT / "docs" / "street.png", [panels[:2], panels[2:]])
    save(ROOT / "docs" / "errors.png", rows)


def colour_depth(depth: Array, reference: Array) -> Array:
    """(H, W) depth -> BGR, near bright by its logarithm, holes grey."""
    low, high = np.log(np.percentile(reference[reference > 0], (1, 99)))
    nearness = (high - np.log(np.maximum(depth.astype(np.float64), 1))) / (high - low)
    coloured = cv2.applyColorMap((np.clip(nearness, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.where(depth[..., None] > 0, coloured, 96).astype(np.uint8)


def colour_error(depth: Array, plain: Array, truth: Array) -> Array:
    """Error relative to the truth -> BGR, black is none; one scale for both methods, holes grey."""
    scored = (truth > 0) & (plain > 0)
    divisor = np.maximum(truth, 1).astype(np.float64)
    reference = np.abs(plain - truth) / divisor
    brightest = np.percentile(reference[scored & (reference > EDGE)], BRIGHTEST)
    unit = np.clip(np.abs(depth.astype(np.float64) - truth) / divisor / brightest, 0, 1)
    coloured = cv2.applyColorMap((unit * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.where(scored[..., None], coloured, 96).astype(np.uint8)


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
    write_atomically(path, cv2.imencode(".png", grid, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


if __name__ == "__main__":
    main()
