"""Raw sensor frames, made smaller and restored: `python -m benchmarks.sensor --scale 4`.

Depth goes through the public API as uint16 millimetres with holes. All methods see the same LR map and are scored on
the same pixels: valid in the sensor's frame and in the output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.baselines import bicubic, nearest, round_to
from benchmarks.data import RgbdScene, sensor_frames
from benchmarks.joint_bilateral import joint_bilateral
from benchmarks.metrics import rmse
from benchmarks.report import text_table, write_json
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.holes import fill_holes

Array = npt.NDArray[Any]
METHODS = {"nearest": "nearest", "bicubic": "bicubic", "joint_bilateral": "joint bilateral", "ours": "ours"}


@dataclass(frozen=True)
class Frame:
    """A frame ready to be restored, and what was changed in it to get there.

    rgb (H, W, 3) uint8; truth (H, W) and lr (h, w) uint16 millimetres, holes 0.
    """

    name: str
    rgb: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint16]
    lr: npt.NDArray[np.uint16]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FrameScore:
    """RMSE in millimetres; scored: share of the frame's pixels; both checks of the depth contract."""

    name: str
    nearest: float
    bicubic: float
    joint_bilateral: float
    ours: float
    scored: float
    mask_is_lr_by_nearest: bool
    dtype: str
    notes: tuple[str, ...]

    @property
    def keeps_contract(self) -> bool:
        return self.mask_is_lr_by_nearest and self.dtype == "uint16"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 if every frame kept its dtype and its holes."""
    options = _parse(arguments)
    try:
        scenes = sensor_frames()
        upsampler = DepthUpsampler.from_pretrained(options.weights, device=options.device)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    scores = [score_frame(upsampler, prepare(scene, options.scale), options.scale) for scene in scenes]
    print(f"weights {upsampler.weights} ({upsampler.sha256[:12]}), x{options.scale}, masked RMSE in mm\n")
    print(format_scores(scores))
    write_json(
        options.out / f"sensor_x{options.scale}.json",
        {
            "weights": upsampler.weights,
            "sha256": upsampler.sha256,
            "torch": torch.__version__,
            "scale": options.scale,
            "unit": "mm",
            "frames": [asdict(score) for score in scores],
        },
    )
    print(f"\nwritten: {options.out / f'sensor_x{options.scale}.json'}")
    return 0 if all(score.keeps_contract for score in scores) else 1


def prepare(scene: RgbdScene, scale: int) -> Frame:
    """Millimetres, cropped to a multiple of `scale`, and the LR map that a smaller sensor would have seen.

    Holes are filled before the bicubic; an LR pixel is a hole where the HR pixel at its centre is one.
    """
    notes = []
    height, width = (side // scale * scale for side in scene.depth.shape)
    window = (slice(height), slice(width))
    rgb = scene.rgb
    if rgb.shape[:2] != scene.depth.shape:
        notes.append(f"RGB {rgb.shape[:2]} resized to depth {scene.depth.shape}")
        rgb = _resize_rgb(rgb, scene.depth.shape)
    if scene.depth.dtype != np.uint16:
        notes.append(f"{scene.depth.dtype} {scene.unit} -> uint16 mm")
    valid = scene.valid[window]
    per_unit = scene.unit_scale * 1000  # millimetres
    depth = np.where(valid, scene.depth[window], 0).astype(np.float64) * per_unit
    truth = np.where(valid, round_to(depth, np.uint16, least=1), 0).astype(np.uint16)
    lr_size = (height // scale, width // scale)
    lr = round_to(bicubic(fill_holes(truth.astype(np.float32), valid), lr_size), np.uint16, least=1)
    lr = np.where(nearest(valid, lr_size), lr, 0).astype(np.uint16)
    return Frame(f"{scene.folder.parent.name}/{scene.name}", rgb[window], truth, lr, tuple(notes))


def score_frame(upsampler: DepthUpsampler, frame: Frame, scale: int) -> FrameScore:
    """Restore one frame four ways; ours through the public API."""
    size = frame.truth.shape
    ours = upsampler(frame.rgb, frame.lr, scale)
    filled = fill_holes(frame.lr.astype(np.float32), frame.lr > 0)
    d_up = bicubic(filled, size)
    guide = torch.from_numpy(frame.rgb.astype(np.float32)).permute(2, 0, 1).contiguous()
    filtered = joint_bilateral(torch.from_numpy(d_up.copy()), guide, scale).numpy()
    mask = (frame.truth > 0) & (ours != 0)
    return FrameScore(
        name=frame.name,
        nearest=rmse(nearest(filled, size), frame.truth, mask),
        bicubic=rmse(round_to(d_up, np.uint16, least=1), frame.truth, mask),
        joint_bilateral=rmse(round_to(filtered, np.uint16, least=1), frame.truth, mask),
        ours=rmse(ours, frame.truth, mask),
        scored=float(mask.mean()),
        mask_is_lr_by_nearest=bool(np.array_equal(ours != 0, nearest(frame.lr > 0, size))),
        dtype=ours.dtype.name,
        notes=frame.notes,
    )


def format_scores(scores: Sequence[FrameScore]) -> str:
    """The table, the wins, the two checks, and what was changed in which frame."""
    rows = [
        [s.name, *(f"{getattr(s, method):.1f}" for method in METHODS), f"{s.scored:.1%}", s.dtype,
         "yes" if s.mask_is_lr_by_nearest else "NO"]
        for s in scores
    ]  # fmt: skip
    means = [float(np.mean([getattr(s, method) for s in scores])) for method in METHODS]
    rows.append(["mean", *(f"{mean:.1f}" for mean in means), "", "", ""])
    over = {method: sum(s.ours < getattr(s, method) for s in scores) for method in [*METHODS][:-1]}
    wins = ", ".join(f"{METHODS[method]} in {count}" for method, count in over.items())
    lines = [
        text_table(["frame", *METHODS.values(), "scored", "dtype", "holes = LR by nearest"], rows),
        "",
        f"ours beats {wins} of {len(scores)} frames",
        f"uint16 and holes as the LR mask by nearest in {sum(s.keeps_contract for s in scores)} of {len(scores)}",
    ]
    lines += [f"{s.name}: {note}" for s in scores for note in s.notes]
    return "\n".join(lines)


def _resize_rgb(rgb: Array, size: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    kernel = cv2.INTER_AREA if rgb.shape[0] > size[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (size[1], size[0]), interpolation=kernel), np.uint8)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensor", description="Restore raw sensor frames.")
    parser.add_argument("--scale", type=int, choices=range(2, 17), metavar="2..16", default=4)
    parser.add_argument("--weights", default="lite", help="manifest name, .safetensors file or folder")
    parser.add_argument("--device", help="cpu or cuda; a GPU by default if there is one")
    parser.add_argument("--out", type=Path, default=Path("out", "sensor"), help="folder for the JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
