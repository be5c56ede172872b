"""Register raw depth of one camera to the grid of the RGB camera, before it is up-sampled there."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array

from .geometry import pixel_rays
from .lens import Lens, as_lens

Floats = npt.NDArray[np.float64]

SPREAD = 1.2  # of a sample's footprint: samples side by side leave no gap, not even on slanted surfaces
SAME_SURFACE = 0.03  # of z: samples of a pixel that differ by less are averaged
CLOSEST = 1e-6  # z in the RGB camera over z in the depth camera: what is closer to its plane says nothing
WIDE = 8  # pixels: footprints of samples close to the RGB camera are filled one by one


def register_depth(
    depth: Array,
    depth_matrix: Array,
    rgb_matrix: Array,
    rgb_from_depth: Array,
    rgb_size: tuple[int, int],
    scale: float,
    *,
    depth_distortion: Array | Lens | None = None,
    rgb_distortion: Array | Lens | None = None,
) -> Array:
    """Project raw depth into the RGB camera, on a grid `scale` times coarser than the image.

    Every sample covers the square that its footprint has there. Of those that cover a pixel's centre the nearest wins,
    so that what an object hides does not show through it; what lies within the pixel on the same surface is averaged:
    less noise, no mixture across an edge. A centre that nothing covers is a hole, unless most of its pixel was
    measured.

    Parameters
    ----------
    depth
        (h, w) z-depth; 0, negative values, NaN and infinities are holes. Integers or floats, any unit.
    depth_matrix, rgb_matrix
        (3, 3) camera matrices at the sizes of `depth` and of the RGB image.
    rgb_from_depth
        (4, 4) rigid motion that takes points of the depth camera to the RGB camera; its translation in the unit of
        the depth.
    rgb_size
        (H, W) of the RGB image.
    scale
        H / rows of the result.
    depth_distortion, rgb_distortion
        OpenCV's coefficients (4, 5, 8, 12 or 14), a `Lens` for those of a fisheye, None for none. Samples beyond the
        reach of a lens are left out.

    Returns
    -------
    (round(H / scale), round(W / scale)), dtype of `depth`; 0 where nothing lands.

    Raises
    ------
    ValueError
        If a shape, a size or the scale is wrong, a matrix is not finite, a focal length is not positive, the depth is
        neither integers nor floats, a lens has another number of coefficients, or the motion is not rigid.
    """
    _check(depth, rgb_from_depth, rgb_size, scale)
    for name, matrix in (("depth_matrix", depth_matrix), ("rgb_matrix", rgb_matrix)):
        _check_matrix(name, matrix, 3)
        if min(matrix[0][0], matrix[1][1]) <= 0:
            raise ValueError(f"{name} must have positive focal lengths, got {matrix[0][0]:g} and {matrix[1][1]:g}")
    size = (max(round(rgb_size[0] / scale), 1), max(round(rgb_size[1] / scale), 1))
    valid = np.isfinite(depth) & (depth > 0)
    z = np.where(valid, depth, 1).astype(np.float64)
    rays = _cached_rays(depth.shape, np.asarray(depth_matrix, np.float64).tobytes(), as_lens(depth_distortion))
    valid &= np.isfinite(rays[..., 0])
    points = (rays * z[..., None])[valid]
    moved = points @ rgb_from_depth[:3, :3].T + rgb_from_depth[:3, 3]
    before = moved[:, 2] > CLOSEST * z[valid]
    moved, source = moved[before], z[valid][before]
    pixels = _project(moved, np.asarray(rgb_matrix, np.float64), as_lens(rgb_distortion))
    seen = np.isfinite(pixels[:, 0])
    moved, source, pixels = moved[seen], source[seen], pixels[seen]
    if not len(moved):
        return np.zeros(size, depth.dtype)
    # to the coarse grid, by the half-pixel rule
    coarser = np.array([size[1] / rgb_size[1], size[0] / rgb_size[0]])
    places = (pixels + 0.5) * coarser - 0.5
    zoom = float(rgb_matrix[0][0] / depth_matrix[0][0]) * size[1] / rgb_size[1]
    side: Floats = zoom * source / moved[:, 2]
    nearest = _splat(places, SPREAD * side / 2, moved[:, 2], size)
    result = _average(places, side, moved[:, 2], nearest)
    integer = depth.dtype.kind in "ui"
    limit = float(np.iinfo(depth.dtype).max if integer else np.finfo(depth.dtype).max)
    seen = result < limit + 0.5
    if integer:
        result = np.clip(np.floor(np.where(seen, result, 0) + 0.5), 0, limit)
    registered: Array = np.where(seen, result, 0).astype(depth.dtype)
    return registered


@lru_cache(maxsize=4)
def _cached_rays(shape: tuple[int, ...], matrix: bytes, lens: Lens | None) -> Floats:
    """`pixel_rays`: to invert a lens takes longer than all else, and it is the same for each frame."""
    return pixel_rays(shape, np.frombuffer(matrix).reshape(3, 3), lens)


def _project(points: Floats, matrix: Floats, lens: Lens | None) -> Floats:
    """(n, 2) pixels of (n, 3) points before the camera; NaN beyond the reach of the lens."""
    flat: Floats = points[:, :2] / points[:, 2:]
    if lens is not None:
        flat = lens.distort(flat)
    pixels: Floats = flat @ matrix[:2, :2].T + matrix[:2, 2]
    return pixels


def _splat(places: Floats, half: Floats, z: Floats, size: tuple[int, int]) -> Floats:
    """(h, w) least z of the squares that cover a pixel's centre, infinite where none does."""
    buffer, limits = np.full(size, np.inf), (size[1], size[0])
    first = np.ceil(np.clip(places - half[:, None], 0, limits)).astype(np.int64)
    stop = np.ceil(np.clip(places + half[:, None], 0, limits)).astype(np.int64)  # half-open: neighbours share no pixel
    widths = stop - first
    seen = (widths > 0).all(1)
    wide = seen & (widths > WIDE).any(1)
    for (x, y), (x_stop, y_stop), near in zip(first[wide], stop[wide], z[wide], strict=True):
        patch = buffer[y:y_stop, x:x_stop]
        np.minimum(patch, near, out=patch)
    small = seen & ~wide
    first, stop, z, widths = first[small], stop[small], z[small], widths[small]
    for dy in range(widths[:, 1].max(initial=0)):
        for dx in range(widths[:, 0].max(initial=0)):
            column, row = first[:, 0] + dx, first[:, 1] + dy
            inside = (column < stop[:, 0]) & (row < stop[:, 1])
            np.minimum.at(buffer.reshape(-1), row[inside] * size[1] + column[inside], z[inside])
    return buffer


def _average(places: Floats, side: Floats, z: Floats, nearest: Floats) -> Floats:
    """(h, w) mean z of the samples in a pixel that are of the surface at its centre, infinite where there is none.

    The least of many samples, which z-buffers of coarse pixels keep, would be too near by twice the noise and more.
    """
    size, surface = nearest.shape, nearest.ravel().copy()
    cell = np.floor(np.clip(places + 0.5, -1, (size[1], size[0]))).astype(np.int64)
    inside = ((cell >= 0) & (cell < (size[1], size[0]))).all(1)
    index, z, area = cell[inside, 1] * size[1] + cell[inside, 0], z[inside], side[inside] ** 2
    # single samples that a sensor lost make no hole in a pixel of many
    least = np.full(len(surface), np.inf)
    np.minimum.at(least, index, z)
    measured = np.bincount(index, area, len(surface)) > 0.75
    surface = np.where(np.isinf(surface) & measured, least, surface)
    for _ in range(2):  # about the mean the second time: one sample alone may lie at the noise's end
        same = np.abs(z - surface[index]) <= SAME_SURFACE * z
        count = np.bincount(index[same], minlength=len(surface))
        total = np.bincount(index[same], z[same], len(surface))
        surface = np.where(count > 0, total / np.maximum(count, 1), surface)
    return surface.reshape(size)


def _check(depth: Array, rgb_from_depth: Array, rgb_size: tuple[int, int], scale: float) -> None:
    if np.ndim(depth) != 2 or np.size(depth) == 0 or getattr(depth, "dtype", np.dtype(bool)).kind not in "uif":
        found = f"{getattr(depth, 'dtype', type(depth).__name__)} {np.shape(depth)}"
        raise ValueError(f"depth must be a non-empty (h, w) array of integers or floats, got {found}")
    _check_matrix("rgb_from_depth", rgb_from_depth, 4)
    rotation = np.asarray(rgb_from_depth, np.float64)[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise ValueError("rgb_from_depth must be a rotation and a translation")
    if len(rgb_size) != 2 or not all(side >= 1 for side in rgb_size):
        raise ValueError(f"rgb_size must be a positive (H, W), got {rgb_size}")
    if not 0 < scale < np.inf:
        raise ValueError(f"scale must be positive, got {scale}")


def _check_matrix(name: str, matrix: Array, side: int) -> None:
    values = np.asarray(matrix)
    if values.shape != (side, side) or values.dtype.kind not in "uif" or not np.isfinite(values).all():
        raise ValueError(f"{name} must be ({side}, {side}) of finite numbers, got {values.dtype} {values.tolist()}")
