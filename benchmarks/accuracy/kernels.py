"""LR kernels and scales beyond the published table: `python -m benchmarks.accuracy.kernels [--weights default ...]`.

Middlebury 2005, LR made here from the 8-bit truth: by four kernels at the table's scales, and by Pillow bicubic at
intermediate scales (truth cropped to a multiple of the scale). Mean absolute difference of 8-bit results, ours and
Pillow-bicubic interpolation of the same LR, and the worst scene's ratio of the two.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.accuracy.baselines import bicubic, nearest, round_to
from benchmarks.accuracy.metrics import mad
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from datasets.scenes import RgbdScene, middlebury2005

Size = tuple[int, int]
PILLOW = "Pillow bicubic"
TABLE_SCALES = (4, 8, 16)


def _pillow_bicubic(truth: Array, size: Size) -> Array:
    return np.asarray(Image.fromarray(truth).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _opencv(mode: int) -> Callable[[Array, Size], Array]:
    return lambda truth, size: cv2.resize(truth, (size[1], size[0]), interpolation=mode)


KERNELS: dict[str, Callable[[Array, Size], Array]] = {
    PILLOW: _pillow_bicubic,
    "OpenCV bicubic": _opencv(cv2.INTER_CUBIC),  # not antialiased
    "area": _opencv(cv2.INTER_AREA),
    "nearest": nearest,
}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "kernels", ["default"])
    parser.add_argument("--scales", type=int, nargs="*", default=TABLE_SCALES, help="for all kernels")
    parser.add_argument("--intermediate", type=int, nargs="*", default=[2, 3, 5, 6, 12], help="for Pillow bicubic")
    options = parser.parse_args()
    loaded, scenes = [DepthUpsampler.from_pretrained(name) for name in options.weights], middlebury2005()
    cases = [(kernel, scale) for kernel in KERNELS for scale in options.scales]
    cases += [(PILLOW, scale) for scale in options.intermediate]
    rows: list[dict[str, Any]] = []
    for kernel, scale in cases:
        for upsampler in serving(loaded, scale):
            ours, plain = np.transpose([score(upsampler, scene, kernel, scale) for scene in scenes])
            rows.append({"kernel": kernel, "scale": scale, "weights": upsampler.name, "ours": ours.mean(),
                         "bicubic": plain.mean(), "mean ratio": ours.mean() / plain.mean(),
                         "worst ratio": (ours / plain).max()})  # fmt: skip
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    print(text_table(list(rows[0]), cells))
    figures: dict[str, Any] = {}
    for row in rows:
        by_weights = figures.setdefault(row["kernel"], {}).setdefault(f"x{row['scale']}", {})
        by_weights[row["weights"]] = {key: row[key] for key in ("ours", "bicubic", "mean ratio", "worst ratio")}
    write_result(options.out / "kernels.json", {"figures": figures}, loaded)


def serving(loaded: Sequence[DepthUpsampler], scale: float) -> list[DepthUpsampler]:
    """The weights made for a scale; between the table's scales also those made for the nearest of these."""
    closest = min(TABLE_SCALES, key=lambda own: abs(math.log(own / scale)))
    return [each for each in loaded if each.supports_scale(scale) or each.scales == (closest, closest)]


def score(upsampler: DepthUpsampler, scene: RgbdScene, kernel: str, scale: int) -> tuple[float, float]:
    """MAD of ours and of interpolation on one scene."""
    height, width = (side // scale * scale for side in scene.depth.shape)
    truth = np.ascontiguousarray(scene.depth[:height, :width])
    lr = KERNELS[kernel](truth, (height // scale, width // scale))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scales that the weights are not for: that is what is measured
        ours = upsampler(scene.rgb[:height, :width], np.maximum(lr, 1), scale)
    return mad(ours, truth), mad(round_to(bicubic(lr, truth.shape), np.uint8), truth)


if __name__ == "__main__":
    main()
