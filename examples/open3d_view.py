"""Show up-sampled depth in Open3D: `python -m examples.open3d_view`. It needs the extra open3d, and libusb 1.0.

Open3D takes uint16 depth with the number of units in a metre. Float32 depth in metres needs a `depth_scale` of 1:
Open3D 0.20 divides it, too. Holes must be 0: NaN would stay in the image.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d

from bridgenet_infer import read_depth, read_rgb, upsample_depth
from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import intrinsic_matrix
from examples import DESK
from examples.point_cloud import DESK_CAMERA, as_stored


def main() -> None:
    """Command line of the example: a window, or a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write a .ply or .pcd file instead of opening a window")
    options = parser.parse_args()
    rgb, lr_depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    cloud = point_cloud(rgb, np.asarray(upsample_depth(rgb, lr_depth)), intrinsic_matrix(*DESK_CAMERA))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        o3d.io.write_point_cloud(str(options.output), cloud)
    else:
        cloud.transform(np.diag([1, -1, -1, 1]))  # Open3D's viewer has y up
        o3d.visualization.draw_geometries([cloud])


def rgbd_image(rgb: Array, depth: Array) -> Any:
    """o3d.geometry.RGBDImage with depth in metres, nothing cut off.

    Parameters
    ----------
    rgb
        (H, W, 3) uint8.
    depth
        (H, W) as of `as_stored`, which raises ValueError; 0, NaN and infinities are holes.
    """
    stored, scale = as_stored(depth)
    return o3d.geometry.RGBDImage.create_from_color_and_depth(
        o3d.geometry.Image(np.ascontiguousarray(rgb)),
        o3d.geometry.Image(stored),
        depth_scale=scale,
        depth_trunc=float("inf"),  # by default, what is beyond three metres would become a hole
        convert_rgb_to_intensity=False,
    )


def point_cloud(rgb: Array, depth: Array, matrix: Array) -> Any:
    """o3d.geometry.PointCloud in metres; arguments as of `rgbd_image`, and the RGB camera's matrix (3, 3)."""
    height, width = depth.shape
    intrinsic = o3d.camera.PinholeCameraIntrinsic(width, height, matrix[0][0], matrix[1][1], matrix[0][2], matrix[1][2])
    return o3d.geometry.PointCloud.create_from_rgbd_image(rgbd_image(rgb, depth), intrinsic)


if __name__ == "__main__":
    main()
