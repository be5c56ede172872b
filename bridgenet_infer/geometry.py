"""Turn depth into points: camera matrices, back-projection, and coloured point clouds as PLY files."""

import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array

from .lens import Lens

Floats = npt.NDArray[np.float64]
VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def intrinsic_matrix(fx: float, fy: float, cx: float, cy: float) -> Floats:
    """(3, 3) of a pinhole camera: focal lengths and principal point in pixels, pixel centres at whole numbers."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def camera_matrix(size: tuple[int, int], field_of_view: float) -> Floats:
    """(3, 3) of a pinhole camera for images of (H, W), its horizontal field of view in degrees.

    Raises
    ------
    ValueError
        If the field of view is not between 1 and 170 degrees.
    """
    if not 1 <= field_of_view <= 170:
        raise ValueError(f"the field of view must be 1 to 170 degrees, got {field_of_view:g}")
    height, width = size
    focal = width / (2 * np.tan(np.radians(field_of_view / 2)))
    return intrinsic_matrix(focal, focal, (width - 1) / 2, (height - 1) / 2)


def scale_intrinsics(matrix: Array, scale: float) -> Floats:
    """Camera matrix (3, 3), or projection (3, 4), of an image resized by `scale`, pixel centres at whole numbers.

    fx and fy are multiplied; a principal point moves by the half-pixel rule, cx' = (cx + 0.5) scale - 0.5.
    """
    scaled = np.array(matrix, np.float64)
    scaled[:2] *= scale
    scaled[:2, 2] += 0.5 * scale - 0.5
    return scaled


def depth_to_points(depth: Array, matrix: Array) -> Floats:
    """Back-project z-depth (h, w) -> (h, w, 3) points in the camera's frame, in the unit of the depth.

    Parameters
    ----------
    matrix
        (3, 3) camera matrix of an undistorted image of this size.
    """
    rays = pixel_rays(depth.shape, matrix, None)
    points: Floats = rays * depth[..., None]
    return points


def pixel_rays(shape: tuple[int, ...], matrix: Array, lens: Lens | None) -> Floats:
    """(h, w, 3) directions with z = 1 of the pixels of an image; NaN where no direction leads through the lens."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    pixels = np.stack((x, y, np.ones(shape)), -1).reshape(-1, 3)
    flat = (pixels @ np.linalg.inv(np.asarray(matrix, np.float64)).T)[:, :2]
    straight = flat if lens is None else lens.undistort(flat)
    rays: Floats = np.concatenate((straight, np.ones((len(straight), 1))), -1).reshape(*shape, 3)
    return rays


def ply_bytes(points: Array, colours: Array) -> bytes:
    """A binary PLY file of points (N, 3), as float32 in any unit, and their colours (N, 3) uint8."""
    vertices = np.empty(len(points), VERTEX)
    vertices["xyz"], vertices["rgb"] = points, colours
    return HEADER.format(count=len(points)).encode("ascii") + vertices.tobytes()
