"""The real RGB-D scenes that the benchmarks measure on; they lie outside the project."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.registration import register_depth
from datasets.folder import existing_data_folder
from simulation.raycast import build_scene, default_camera, render

MIDDLEBURY_2005 = ("Art", "Books", "Dolls", "Laundry", "Moebius", "Reindeer")
# Both cameras of a first Kinect by their nominal figures: 7-Scenes gives depth as the infrared camera sees it
KINECT_DEPTH = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
KINECT_RGB = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
KINECT_RGB_FROM_DEPTH = np.array([[1.0, 0, 0, -25], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # millimetres
EVAL_FOLDER = Path("eval", "middlebury2005_full_hcgnet")


@dataclass(frozen=True)
class RgbdScene:
    """One registered pair as it lies on disk.

    rgb (H, W, 3) uint8; depth (h, w) in the file's dtype; valid (h, w) bool; kind "depth" or "disparity";
    unit in words, `unit_scale` metres per unit for depth, disparity pixels at this size per unit otherwise.
    (h, w) need not be (H, W) for sensor frames.
    """

    name: str
    rgb: npt.NDArray[np.uint8]
    depth: Array
    valid: Mask
    kind: str
    unit: str
    unit_scale: float
    folder: Path

    @property
    def group(self) -> str:
        """The folder of scenes of one size and kind, such as middlebury2006_half."""
        return self.folder.parent.name

    def lr_depth(self, scale: int) -> npt.NDArray[np.uint8]:
        """The published LR input lr_x{scale}.png, (h, w) uint8. OSError if there is none for this scale."""
        return np.asarray(Image.open(self.folder / f"lr_x{scale}.png"))


def middlebury2005() -> list[RgbdScene]:
    """The six scenes of the published table, in the table's order."""
    return [load_scene(existing_data_folder() / EVAL_FOLDER / name) for name in MIDDLEBURY_2005]


def sensor_frames() -> list[RgbdScene]:
    """Every frame below sensor/, sorted by path; those of 7-Scenes registered to their image."""
    frames = unregistered_frames()
    return [_register(frame) if "7scenes" in frame.group else frame for frame in frames]


def unregistered_frames() -> list[RgbdScene]:
    """Every frame below sensor/ as it was delivered; in 7-Scenes depth is up to 40 pixels off its image."""
    return _scenes_below("sensor")


def rendered_scenes(count: int = 4) -> list[RgbdScene]:
    """Indoor and outdoor scenes of the project's ray-caster in turn, exact metres; what is beyond 60 m is unseen.

    The seeds are not those of training, the builders are.
    """
    scenes = []
    for index in range(count):
        kind: Literal["indoor", "outdoor"] = "outdoor" if index % 2 else "indoor"
        rgb, depth = render(build_scene(1000 + index, kind), default_camera(), seed=index)
        valid = (depth > 0) & (depth < 60)
        scenes.append(RgbdScene(f"{kind}_{index}", rgb, depth, valid, "depth", "metres", 1.0, Path("rendered")))
    return scenes


def validation_scenes() -> list[RgbdScene]:
    """Every scene below val/, sorted by path; disparities with holes. Some scenes are there at several sizes."""
    return _scenes_below("val")


def make_pair(scene: RgbdScene, scale: int) -> tuple[Array, Array, Array]:
    """RGB, 8-bit LR by the table's rule and 8-bit truth, holes filled first; sides cut to multiples of the scale."""
    height, width = (side // scale * scale for side in scene.depth.shape)
    truth = fill_holes(scene.depth, scene.valid)[:height, :width]
    image = Image.fromarray(truth)
    lr = image.resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    return scene.rgb[:height, :width], np.asarray(lr), truth


def load_scene(folder: Path) -> RgbdScene:
    """Read rgb.png, meta.json and the depth file that it names.

    Raises
    ------
    OSError
        If a file is missing or unreadable (FileNotFoundError names it).
    ValueError
        If meta.json lacks a field or depth is not (h, w).
    """
    try:
        meta = json.loads((folder / "meta.json").read_text())
        kind, unit, unit_scale = str(meta["kind"]), str(meta["unit"]), float(meta["scale"])
        depth = _read_depth(folder / meta["depth_file"])
    except KeyError as error:
        raise ValueError(f"{folder / 'meta.json'} has no field {error}") from error
    if depth.ndim != 2:
        raise ValueError(f"{folder / meta['depth_file']} must be (h, w), got {depth.shape}")
    valid = np.isfinite(depth)
    if meta.get("invalid") is not None:
        valid &= depth != meta["invalid"]
    rgb = np.asarray(Image.open(folder / "rgb.png").convert("RGB"))
    return RgbdScene(folder.name, rgb, depth, valid, kind, unit, unit_scale, folder)


def _register(frame: RgbdScene) -> RgbdScene:
    seen = np.where(frame.valid, frame.depth, 0)
    size = frame.rgb.shape[0], frame.rgb.shape[1]
    depth = register_depth(seen, KINECT_DEPTH, KINECT_RGB, KINECT_RGB_FROM_DEPTH, size, 1)
    return replace(frame, depth=depth, valid=depth > 0)


def _scenes_below(part: str) -> list[RgbdScene]:
    folder = existing_data_folder() / part
    scenes = [load_scene(meta.parent) for meta in sorted(folder.rglob("meta.json"))]
    if not scenes:
        raise FileNotFoundError(f"no scene with a meta.json below {folder}")
    return scenes


def _read_depth(path: Path) -> Array:
    if path.suffix == ".npy":
        array: Array = np.load(path, allow_pickle=False)
        return array
    with Image.open(path) as image:
        array = np.asarray(image)
    # older Pillow opens 16-bit PNG as int32
    return array.astype(np.uint16) if array.dtype == np.int32 else array
