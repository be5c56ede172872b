"""Shrink metric depth and restore it: `python -m benchmarks.accuracy.sensor --scales 4 8 16 [--scenes rendered]`.

Raw sensor frames (registered, or as they were delivered), or rendered scenes with exact depth. Depth goes through the
public API as uint16 millimetres with holes. All methods see the same LR map and are scored on the same pixels: valid in
the frame and in the output.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.baselines import bicubic, nearest, round_to
from benchmarks.accuracy.metrics import rmse
from benchmarks.accuracy.quality import BICUBIC, JOINT_BILATERAL, NEAREST, baselines
from benchmarks.accuracy.trials import Trial
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.pipeline.holes import fill_holes
from datasets.scenes import RgbdScene, rendered_scenes, sensor_frames, unregistered_frames

BASELINES = (NEAREST, BICUBIC, JOINT_BILATERAL)
SCENES = {"sensor": sensor_frames, "unregistered": unregistered_frames, "rendered": rendered_scenes}


@dataclass(frozen=True)
class Frame:
    """A frame ready to be restored, and notes of the changes that this took.

    rgb (H, W, 3) uint8; truth (H, W) and lr (h, w) uint16 millimetres, holes 0.
    """

    name: str
    rgb: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint16]
    lr: npt.NDArray[np.uint16]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FrameScore:
    """RMSE in millimetres by method; scored: share of the frame's pixels; whether ours kept the depth contract."""

    name: str
    rmse: dict[str, float]
    scored: float
    keeps_contract: bool
    notes: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 if every frame kept its dtype and its holes."""
    options = _parse(arguments)
    try:
        scenes = SCENES[options.scenes]()
        loaded = [DepthUpsampler.from_pretrained(name, device=options.device) for name in options.weights]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    kept, result = True, dict[str, object]()
    for scale in options.scales:
        ours = {each.name: each for each in loaded if each.supports_scale(scale)}
        scores = [score_frame(ours, prepare(scene, scale), scale) for scene in scenes]
        print(f"x{scale}, masked RMSE in mm\n\n{format_scores(scores)}\n")
        result[f"x{scale}"] = {score.name: asdict(score) for score in scores}
        kept &= all(score.keeps_contract for score in scores)
    write_result(options.out / f"{options.scenes}.json", result, loaded)
    return 0 if kept else 1


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
    return Frame(f"{scene.group}/{scene.name}".lstrip("/"), rgb[window], truth, lr, tuple(notes))


def score_frame(upsamplers: Mapping[str, DepthUpsampler], frame: Frame, scale: int) -> FrameScore:
    """Restore one frame by every method; ours through the public API."""
    size = frame.truth.shape
    valid = nearest(frame.lr > 0, size)
    mask = (frame.truth > 0) & valid
    plain = baselines(Trial(frame.rgb, frame.lr, frame.truth, mask, np.asarray), scale, with_filter=True)
    results = {name: round_to(depth, np.uint16, least=1) for name, depth in plain.items()}
    keeps_contract = True
    for name, upsampler in upsamplers.items():
        results[name] = upsampler(frame.rgb, frame.lr, scale)
        keeps_contract &= bool(results[name].dtype == np.uint16 and np.array_equal(results[name] != 0, valid))
    return FrameScore(
        name=frame.name,
        rmse={name: rmse(depth, frame.truth, mask) for name, depth in results.items()},
        scored=float(mask.mean()),
        keeps_contract=keeps_contract,
        notes=frame.notes,
    )


def format_scores(scores: Sequence[FrameScore]) -> str:
    """The table, the wins of ours, the contract, and the notes of changed frames."""
    methods = list(scores[0].rmse)
    rows = [[s.name, *(f"{s.rmse[method]:.1f}" for method in methods), f"{s.scored:.1%}"] for s in scores]
    rows.append(["mean", *(f"{np.mean([s.rmse[method] for s in scores]):.1f}" for method in methods), ""])
    lines = [text_table(["frame", *methods, "scored"], rows), ""]
    for name in methods[len(BASELINES) :]:
        wins = [f"{base} in {sum(s.rmse[name] < s.rmse[base] for s in scores)}" for base in BASELINES]
        lines.append(f"{name} beats {', '.join(wins)} of {len(scores)} frames")
    lines.append(f"uint16 and holes as the LR mask by nearest in {sum(s.keeps_contract for s in scores)} frames")
    return "\n".join([*lines, *(f"{s.name}: {note}" for s in scores for note in s.notes)])


def _resize_rgb(rgb: Array, size: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    kernel = cv2.INTER_AREA if rgb.shape[0] > size[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (size[1], size[0]), interpolation=kernel), np.uint8)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line(__doc__, "sensor", ["default"])
    parser.add_argument("--scenes", choices=list(SCENES), default="sensor")
    parser.add_argument("--scales", type=int, nargs="+", choices=range(2, 17), metavar="2..16", default=[4, 8, 16])
    parser.add_argument("--device", help="cpu or cuda; a GPU by default if there is one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
