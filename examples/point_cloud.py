"""Make a coloured point cloud from an RGB image and depth: `python -m examples.point_cloud -o out/desk.ply`.

Depth smaller than the image is up-sampled first. Any viewer of PLY files shows the result.
"""

import argparse
from pathlib import Path

import numpy as np

from bridgenet_infer import read_depth, read_rgb, upsample_depth
from bridgenet_infer.arrays import Array
from bridgenet_infer.files import write_atomically
from bridgenet_infer.geometry import depth_to_points, intrinsic_matrix, ply_bytes
from examples import DESK

DESK_CAMERA = (554.256, 554.256, 319.5, 239.5)  # fx, fy, cx, cy of the examples: 60 degrees across 640 pixels


def main() -> None:
    """Command line of the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rgb", type=Path, nargs="?", default=DESK / "rgb.png")
    parser.add_argument("depth", type=Path, nargs="?", default=DESK / "depth_lr.png")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .ply file")
    parser.add_argument("--camera", type=float, nargs=4, default=DESK_CAMERA, metavar=("FX", "FY", "CX", "CY"))
    parser.add_argument("--unit", type=float, default=0.001, help="metres of one unit of depth (0.001)")
    options = parser.parse_args()
    rgb, depth = read_rgb(options.rgb), read_depth(options.depth)
    if depth.shape != rgb.shape[:2]:
        depth = np.asarray(upsample_depth(rgb, depth))
    points, colours = coloured_points(rgb, depth * options.unit, intrinsic_matrix(*options.camera))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.output, ply_bytes(points, colours))
    print(f"{options.output}: {len(points):,} points")


def as_stored(depth: Array) -> tuple[Array, float]:
    """Depth (H, W) without NaN, as other programs take it, and its units in a metre: 1000 of uint16, 1 of floats.

    Raises
    ------
    ValueError
        If depth is neither uint16 millimetres nor floats in metres.
    """
    if depth.dtype == np.uint16:
        return np.ascontiguousarray(depth), 1000.0
    if depth.dtype.kind == "f":
        return np.where(np.isfinite(depth), depth, 0).astype(np.float32), 1.0
    raise ValueError(f"depth must be uint16 millimetres or floats in metres, got {depth.dtype}")


def coloured_points(rgb: Array, depth: Array, matrix: Array) -> tuple[Array, Array]:
    """Points of all measured pixels, row by row.

    Parameters
    ----------
    rgb, depth
        (H, W, 3) uint8 and (H, W) of one size; 0, NaN and infinities are holes.
    matrix
        (3, 3) of the RGB camera.

    Returns
    -------
    (N, 3) float64 in the unit of depth, x right, y down, z forward; (N, 3) uint8.

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    if rgb.shape[:2] != depth.shape:
        raise ValueError(f"rgb {rgb.shape} and depth {depth.shape} must have one size")
    valid = np.isfinite(depth) & (depth > 0)
    return depth_to_points(np.where(valid, depth, 0), matrix)[valid], rgb[valid]


if __name__ == "__main__":
    main()
