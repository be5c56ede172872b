"""Rendered scenes with exact depth. Every installation has them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bridgenet_infer.arrays import Array

from ..files import find_shared_file
from ..pipeline.holes import fill_holes
from ..pipeline.restore import nearest
from ..read import read_depth, read_rgb
from ..weights.manifest import PACKAGE_FOLDER

SCENES = ("desk", "street")
SCENE_SCALES = (4, 8, 16)
BUNDLED_SCALE = 8  # of depth_lr.png
FIELD_OF_VIEW = 60.0  # horizontal, degrees


@dataclass(frozen=True)
class Inputs:
    """The inputs of one comparison.

    Attributes
    ----------
    rgb
        (H, W, 3) uint8 or uint16.
    lr_depth
        (h, w) in any unit.
    exact
        (H, W) exact depth in the same unit, holes as in `lr_depth`; None where it is not known.
    unit
        What the depth is counted in, "" where it is not known.
    """

    rgb: Array
    lr_depth: Array
    exact: Array | None = None
    unit: str = ""


def scene_folder() -> Path:
    """The examples of a source tree or editable install, else those of the installed wheel.

    Raises
    ------
    OSError
        If neither is there.
    """
    return find_shared_file(f"examples/{SCENES[0]}/rgb.png", PACKAGE_FOLDER.parent).parents[1]


def load_scene(name: str, scale: int = BUNDLED_SCALE) -> Inputs:
    """A scene in uint16 millimetres, its LR depth `scale` times smaller.

    Raises
    ------
    ValueError
        If there is no such scene or scale.
    OSError
        If this installation lacks the scenes.
    """
    if name not in SCENES or scale not in SCENE_SCALES:
        raise ValueError(f"a scene must be one of {SCENES} at a scale of {SCENE_SCALES}, got {name!r}, {scale!r}")
    folder = scene_folder() / name
    exact = read_depth(folder / "depth.png")
    if scale == BUNDLED_SCALE:
        lr_depth: Array = read_depth(folder / "depth_lr.png")
    else:
        lr_depth = shrink(exact.astype(np.float32), scale)
    return Inputs(read_rgb(folder / "rgb.png"), lr_depth, exact, "mm")


def shrink(depth: npt.NDArray[np.float32], scale: int) -> npt.NDArray[np.uint16]:
    """Exact depth (H, W) -> (H / scale, W / scale): Pillow bicubic with holes filled, rounded, then 0 put back."""
    valid = depth > 0
    height, width = (side // scale for side in depth.shape)
    small = np.asarray(Image.fromarray(fill_holes(depth, valid)).resize((width, height), Image.Resampling.BICUBIC))
    return np.where(nearest(valid, (height, width)).numpy(), small + 0.5, 0).astype(np.uint16)
