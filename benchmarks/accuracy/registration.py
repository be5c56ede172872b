"""Compare `register_depth` with depth rendered for the RGB camera: `python -m benchmarks.accuracy.registration`.

Rendered scenes seen by two cameras with known intrinsics and extrinsics. The raw depth of one is registered to a grid
coarser than the other's image and compared with the depth rendered there, sample by sample: exact depth, and depth
with a structured-light sensor's noise of which one sample in twenty is lost. Beside it two simpler rules.

median, mean, bias: of the error away from depth edges. through: share of samples that show what lies behind the
surface that they should show; fattened: what lies before it. holes: share of what lies in the depth camera's view;
gaps: of what it does see.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh

from benchmarks.accuracy.metrics import edge_band
from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import depth_to_points, scale_intrinsics
from bridgenet_infer.registration import register_depth
from simulation.raycast import Camera, Scene, build_scene, render_depth
from simulation.sensors import SENSORS

SCALES = (4, 8)
STEP = 0.05  # metres: more is another surface
LOST = 0.05  # share of samples
MEASURES = ("median mm", "mean mm", "bias mm", "through %", "fattened %", "holes %", "gaps %", "ms")


@dataclass(frozen=True)
class Rig:
    """A depth camera at the origin and an RGB camera `baseline` metres to its right, turned a little."""

    depth: Camera
    rgb: Camera
    baseline: float

    @property
    def pose(self) -> Array:
        """(4, 4) points of the RGB camera to the depth camera."""
        pose = np.asarray(trimesh.transformations.euler_matrix(*np.radians([0.7, -1.1, 0.35])))
        pose[:3, 3] = [self.baseline, -0.002, 0.003]
        return pose


def camera(width: int, height: int, focal: float, dx: float, dy: float) -> Camera:
    """A camera whose principal point is (dx, dy) pixels from the image's centre."""
    return Camera(width, height, focal, focal, (width - 1) / 2 + dx, (height - 1) / 2 + dy)


# sizes, focal lengths and baselines like those of a Kinect, a Kinect v2 with its colour halved, and a coarser ToF chip
RIGS = {
    "structured light": Rig(camera(640, 480, 580, 3, -2), camera(640, 480, 525, -4, 5), 0.025),
    "time of flight": Rig(camera(512, 424, 365, 1, 2), camera(960, 540, 530, 5, -3), 0.052),
    "coarse, wide apart": Rig(camera(224, 172, 210, 1, -1), camera(640, 480, 600, 2, -4), 0.075),
}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "registration")
    parser.add_argument("--scenes", type=int, default=6)
    options = parser.parse_args()
    scenes = [build_scene(4000 + index) for index in range(options.scenes)]
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for name, rig in RIGS.items():
        for scale in SCALES:
            for noisy in (False, True):
                title = f"{name}, x{scale}, {'noisy' if noisy else 'exact'}"
                figures[title] = measure(scenes, rig, scale, noisy)
                rows = [[method, *(f"{v[key]:.2f}" for key in MEASURES)] for method, v in figures[title].items()]
                print(f"{title}, {len(scenes)} scenes")
                print(text_table(["", *MEASURES], rows), flush=True)
    write_json(options.out / "registration.json", {"scenes": len(scenes), "figures": figures})


def measure(scenes: list[Scene], rig: Rig, scale: int, noisy: bool) -> dict[str, dict[str, float]]:
    """Every method's `MEASURES`, means over the scenes."""
    scores: dict[str, list[dict[str, float]]] = {}
    for index, scene in enumerate(scenes):
        raw = render_depth(scene, rig.depth)
        target = coarse_camera(rig.rgb, scale)
        truth = render_depth(scene, target, rig.pose)
        in_view, visible = seen_by_depth_camera(truth, target, raw, rig)
        measured = spoil(raw, index) if noisy else raw
        for name, method in METHODS.items():
            start = time.perf_counter()
            result = method(measured, rig, scale)
            elapsed = 1000 * (time.perf_counter() - start)
            scores.setdefault(name, []).append({**score(result, truth, in_view, visible), "ms": elapsed})
    return {name: {key: float(np.mean([s[key] for s in many])) for key in MEASURES} for name, many in scores.items()}


def score(result: Array, truth: Array, in_view: Array, visible: Array) -> dict[str, float]:
    """Errors of one registered frame (h, w) in metres against the truth; see the module's text."""
    both = (result > 0) & (truth > 0)
    error = (result.astype(np.float64) - truth)[both]
    smooth = 1000 * error[~edge_band(truth, STEP, 1.5)[both]]
    return {
        "median mm": float(np.median(np.abs(smooth))),
        "mean mm": float(np.abs(smooth).mean()),
        "bias mm": float(smooth.mean()),
        "through %": 100 * float((error > STEP).mean()),
        "fattened %": 100 * float((error < -STEP).mean()),
        "holes %": 100 * float((result[in_view] == 0).mean()),
        "gaps %": 100 * float((result[visible] == 0).mean()),
    }


def coarse_camera(rgb: Camera, scale: int) -> Camera:
    """The RGB camera with an image `scale` times smaller; its sides must be multiples of `scale` to within a pixel."""
    width, height = round(rgb.width / scale), round(rgb.height / scale)
    across, down = scale_intrinsics(rgb.matrix, width / rgb.width), scale_intrinsics(rgb.matrix, height / rgb.height)
    return Camera(width, height, across[0, 0], down[1, 1], across[0, 2], down[1, 2])


def seen_by_depth_camera(truth: Array, target: Camera, raw: Array, rig: Rig) -> tuple[Array, Array]:
    """Which samples of the truth lie within the depth camera's image, and which of them it sees: (h, w) bool each."""
    points = depth_to_points(truth, target.matrix) @ rig.pose[:3, :3].T + rig.pose[:3, 3]
    z = np.where(points[..., 2] > 0, points[..., 2], 1)
    x = points[..., 0] / z * rig.depth.fx + rig.depth.cx
    y = points[..., 1] / z * rig.depth.fy + rig.depth.cy
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    in_view = (truth > 0) & (left >= 0) & (top >= 0) & (left < rig.depth.width - 1) & (top < rig.depth.height - 1)
    visible = in_view.copy()
    for row in (top, top + 1):
        for column in (left, left + 1):
            around = raw[row.clip(0, rig.depth.height - 1), column.clip(0, rig.depth.width - 1)]
            visible &= np.abs(around - z) < STEP
    return in_view, visible


def spoil(raw: Array, seed: int) -> Array:
    """Raw depth with a structured-light sensor's noise and lost samples."""
    rng = np.random.default_rng(seed)
    noise = SENSORS["structured_light"].noise_squared * raw.astype(np.float64) ** 2
    return np.where(rng.random(raw.shape) < LOST, 0, raw + noise * rng.normal(size=raw.shape))


def ours(raw: Array, rig: Rig, scale: int) -> Array:
    """The package's function."""
    size = (rig.rgb.height, rig.rgb.width)
    return register_depth(raw, rig.depth.matrix, rig.rgb.matrix, np.linalg.inv(rig.pose), size, scale)


def least(raw: Array, rig: Rig, scale: int) -> Array:
    """A z-buffer of coarse pixels: the nearest of the samples that fall into one."""
    index, z, shape = _project(raw, rig, scale)
    buffer = np.full(shape[0] * shape[1], np.inf)
    np.minimum.at(buffer, index, z)
    return np.where(np.isfinite(buffer), buffer, 0).reshape(shape)


def last(raw: Array, rig: Rig, scale: int) -> Array:
    """No z-buffer: whatever is written last."""
    index, z, shape = _project(raw, rig, scale)
    buffer = np.zeros(shape[0] * shape[1])
    buffer[index] = z
    return buffer.reshape(shape)


METHODS: dict[str, Callable[[Array, Rig, int], Array]] = {
    "register_depth": ours,
    "nearest sample of each pixel": least,
    "last sample of each pixel": last,
}


def _project(raw: Array, rig: Rig, scale: int) -> tuple[Array, Array, tuple[int, int]]:
    """Flat index of the coarse pixel and z of every sample that lands in the image."""
    target = coarse_camera(rig.rgb, scale)
    motion = np.linalg.inv(rig.pose)
    points = depth_to_points(raw, rig.depth.matrix)[raw > 0] @ motion[:3, :3].T + motion[:3, 3]
    column = np.floor(points[:, 0] / points[:, 2] * target.fx + target.cx + 0.5).astype(int)
    row = np.floor(points[:, 1] / points[:, 2] * target.fy + target.cy + 0.5).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < target.width) & (row < target.height)
    return (row * target.width + column)[inside], points[inside, 2], (target.height, target.width)


if __name__ == "__main__":
    main()
