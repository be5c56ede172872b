"""Draw the site's pictures of results: `python docs/draw_results.py [--weights default]`; run it after new weights.

Writes docs/street.png, as docs/desk.png but outdoors, and docs/errors.png, where bicubic and ours are wrong. Weights
with a head for it also make docs/expected_error.png: the expected error, and what `max_error` does to a point cloud.
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
from bridgenet_infer.geometry import camera_matrix, depth_to_points  # noqa: E402
from bridgenet_infer.read import read_depth, read_rgb  # noqa: E402
from bridgenet_infer.visualise import colourise_depth, colourise_error, depth_span, error_limit  # noqa: E402
from bridgenet_infer.write import write_picture  # noqa: E402

BRIGHTEST = 95  # percentile of bicubic's relative error at edges that both error maps end at
MOST, TURN = 20, 25.0  # millimetres of expected error, and degrees that the camera of a point cloud has gone round
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
    if upsampler.expects_error:
        draw_expected_error(upsampler)


def draw_expected_error(upsampler: DepthUpsampler) -> None:
    """Of the desk the true error and the expected one, and point clouds without and with a limit."""
    folder = ROOT / "examples" / "desk"
    rgb, lr, truth = read_rgb(folder / "rgb.png"), read_depth(folder / "depth_lr.png"), read_depth(folder / "depth.png")
    whole, sure = (upsampler.predict(rgb, lr, max_error=most) for most in (None, MOST))
    depth, expected = np.asarray(whole.depth), np.asarray(whole.expected_error)
    known = (truth > 0) & (depth > 0)
    true = np.where(known, np.abs(depth.astype(np.float64) - truth), 0)
    limit, matrix = error_limit(true, known), camera_matrix((rgb.shape[0], rgb.shape[1]), 60)
    clouds = [cloud_view(np.asarray(each.depth, np.float64), rgb, matrix, TURN) for each in (whole, sure)]
    save(ROOT / "docs" / "expected_error.png", [
        [(colourise_error(true, limit, known), "true error"), (colourise_error(expected, limit), "expected error")],
        [(clouds[0], "points"), (clouds[1], f"points, max_error={MOST}")],
    ])  # fmt: skip


def cloud_view(depth: Array, rgb: Array, matrix: Array, turn: float) -> Array:
    """The point cloud of a depth map, seen from a camera that has gone round its middle; black where nothing is.

    Parameters
    ----------
    depth
        (H, W) float, holes NaN or 0.
    matrix
        (3, 3) of both cameras.
    turn
        Degrees to the right.
    """
    points, colours = depth_to_points(depth, matrix).reshape(-1, 3), rgb.reshape(-1, 3)
    seen = np.isfinite(points).all(1) & (points[:, 2] > 0)
    points, colours = points[seen], colours[seen]
    middle, angle = np.array([0, 0, np.median(points[:, 2])]), np.radians(turn)
    about = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = (points - middle) @ about.T + middle
    front = turned[:, 2] > 0
    turned, colours = turned[front], colours[front]
    places = np.rint((turned @ matrix.T)[:, :2] / turned[:, 2:])
    inside = ((places >= 0) & (places < (depth.shape[1], depth.shape[0]))).all(1)
    order = np.argsort(-turned[inside, 2])  # the nearest is written last
    columns, rows = places[inside][order].astype(np.intp).T
    view = np.zeros_like(rgb)
    view[rows, columns] = colours[inside][order]
    return view


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
