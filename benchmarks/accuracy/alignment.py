"""Check `check_alignment`: `python -m benchmarks.accuracy.alignment`.

Registered pairs: each scene of val/, of eval/ and of the ray-caster, its depth shrunk by bicubic to 1/2 to 1/16.
None may be warned of. Shifted pairs: the same with the image moved by 1, 1.5 and 2.5 times the larger of 4 pixels and
half an LR sample, in random directions. The shift should be found within the larger of 1 pixel and an eighth of a
sample. Turned pairs: depth turned by 180 degrees, and mirrored. Frames of a Kinect stand apart: as delivered, where
depth is off its image, and registered by nominal figures. `STRONG` and `CLEAR` were chosen on val/ and rendered scenes.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from benchmarks.accuracy.baselines import bicubic, nearest
from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer.alignment import AlignmentCheck, check_alignment
from bridgenet_infer.arrays import Array
from bridgenet_infer.pipeline.holes import fill_holes
from datasets.scenes import (
    RgbdScene,
    middlebury2005,
    rendered_scenes,
    sensor_frames,
    unregistered_frames,
    validation_scenes,
)

SCALES = (2, 3, 4, 6, 8, 12, 16)
SHIFTED = (2, 4, 8, 16)
FACTORS = (1.0, 1.5, 2.5)


@dataclass(frozen=True)
class Pair:
    """An image and LR depth, and the shift (dy, dx) in RGB pixels that aligns the depth; None: another motion does."""

    scene: str
    scale: int
    rgb: Array
    depth: Array
    shift: tuple[float, float] | None


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "alignment")
    parser.add_argument("--rendered", type=int, default=26, help="number of rendered scenes (26)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    groups = {"val": validation_scenes(), "rendered": rendered_scenes(options.rendered), "eval": middlebury2005()}
    figures: dict[str, object] = {}
    for name, scenes in groups.items():
        print(f"\n{name}")
        figures[name] = measure(scenes)
    frames = {"delivered": unregistered_frames(), "registered": sensor_frames()}
    figures["kinect"] = {name: _kinect([s for s in many if "7scenes" in s.group]) for name, many in frames.items()}
    print(text_table(["Kinect", "warned of", "frames"],
                     [[n, str(sum(row["is_strong"] for row in rows)), str(len(rows))]
                      for n, rows in figures["kinect"].items()]))  # type: ignore[attr-defined]  # fmt: skip
    figures["milliseconds"] = milliseconds(groups["rendered"][0])
    print(f"640 x 480, x8, one thread: {figures['milliseconds']:.1f} ms")
    write_json(options.out / "alignment.json", figures)


def measure(scenes: list[RgbdScene]) -> dict[str, dict[str, float]]:
    """False alarms, shifts found and warned of, by scale, and the registered pairs with most evidence."""
    figures: dict[str, dict[str, float]] = {}
    for scale in SCALES:
        alarms, most = [], (0.0, 0.0)
        found, warned, turned = [], [], []
        for scene in scenes:
            for pair in pairs(scene, scale):
                check = check_alignment(pair.rgb, pair.depth)
                if pair.shift == (0, 0):
                    alarms.append(check.is_strong)
                    most = max(most, (check.evidence, check.clearness))
                elif pair.shift is None:
                    turned.append(check.is_strong and (check.turn == 180 or check.mirroring != "none"))
                else:
                    found.append(_distance(check, pair.shift) <= max(1, scale / 8))
                    warned.append(check.is_strong)
        figures[f"x{scale}"] = {
            "pairs": len(alarms), "false alarms": sum(alarms), "evidence": most[0], "clearness": most[1],
            "found": _share(found), "warned": _share(warned), "turned": _share(turned),
        }  # fmt: skip
    header = list(figures["x2"])
    rows = [[scale, *(f"{values[name]:.3g}" for name in header)] for scale, values in figures.items()]
    print(text_table(["", *header], rows))
    return figures


def pairs(scene: RgbdScene, scale: int) -> Iterator[Pair]:
    """A registered pair, those with a moved image, and those with depth turned or mirrored."""
    height, width = (side // scale * scale for side in scene.depth.shape)
    rgb, valid = scene.rgb[:height, :width], scene.valid[:height, :width]
    size = height // scale, width // scale
    shrunk = bicubic(fill_holes(scene.depth[:height, :width].astype(np.float32), valid), size)
    depth = np.where(nearest(valid, size), np.maximum(shrunk, 1e-3), 0).astype(np.float32)
    yield Pair(scene.name, scale, rgb, depth, (0, 0))
    if scale not in SHIFTED:
        return
    rng = np.random.default_rng(scale)
    for factor in FACTORS:
        angle, length = rng.uniform(0, 2 * np.pi), factor * max(4, scale / 2)
        dy, dx = length * np.sin(angle), length * np.cos(angle)
        motion = np.array([[1, 0, dx], [0, 1, dy]])
        moved = cv2.warpAffine(rgb, motion, (width, height), borderMode=cv2.BORDER_REPLICATE)
        yield Pair(scene.name, scale, moved, depth, (dy, dx))
    for turned in (depth[::-1, ::-1], depth[:, ::-1]):
        yield Pair(scene.name, scale, rgb, np.ascontiguousarray(turned), None)


def milliseconds(scene: RgbdScene) -> float:
    """The least time of ten checks of a 640 x 480 image and depth at x8."""
    pair = next(pairs(scene, 8))
    times = []
    for _ in range(10):
        start = time.process_time()
        check_alignment(pair.rgb, pair.depth)
        times.append(1000 * (time.process_time() - start))
    return min(times)


def _kinect(frames: list[RgbdScene]) -> list[dict[str, object]]:
    return [{"frame": each.name, **asdict(check_alignment(each.rgb, np.where(each.valid, each.depth, 0)))}
            for each in frames]  # fmt: skip


def _distance(check: AlignmentCheck, shift: tuple[float, float]) -> float:
    plain = check.zoom == 1 and not check.turn and check.mirroring == "none"
    return float(np.hypot(check.shift[0] - shift[0], check.shift[1] - shift[1])) if plain else np.inf


def _share(hits: list[bool]) -> float:
    return float(np.mean(hits)) if hits else np.nan


if __name__ == "__main__":
    main()
