"""Errors by kind of pixel: `python -m benchmarks.accuracy.errors [--scenes val|eval] [--scale 8] [--weights default]`.

Every pixel belongs to the first of the kinds below that fits; the table tells how many there are, the mean absolute
error of bicubic and of ours there, and the share of our whole error. Grey levels of 0..255, results rounded to 8 bits.
Scenes of one size make a group, and each group counts as much as any other.
"""

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.baselines import bicubic, round_to
from benchmarks.accuracy.metrics import edge_band
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array, Mask
from datasets.scenes import make_pair, middlebury2005, validation_scenes

STEP = 3.0  # grey levels that make a depth edge, as in the edge-band measure
CONTRAST = 24.0  # grey levels of local RGB range: less is low contrast beside an edge
TEXTURE = 40.0  # more is texture away from edges
KINDS = {
    "filled hole": "no truth was measured there",
    "thin": "within two pixels of a structure or gap not wider than an LR pixel",
    "edge, low contrast": "up to half an LR pixel from a depth edge that RGB does not show",
    "edge, clear": "the same, RGB shows it",
    "near an edge": "up to two LR pixels from a depth edge",
    "textured surface": "farther away, strong RGB texture (texture copy would be here)",
    "slanted surface": "farther away, depth changes over two LR pixels",
    "flat surface": "the rest",
}


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "errors", "default")
    parser.add_argument("--scenes", choices=("val", "eval"), default="val")
    parser.add_argument("--scale", type=int, default=8)
    options = parser.parse_args()
    scale, upsampler = options.scale, DepthUpsampler.from_pretrained(options.weights)
    groups: dict[str, Array] = {}  # pixels, error of bicubic, error of ours of each kind
    for scene in validation_scenes() if options.scenes == "val" else middlebury2005():
        rgb, lr, truth = make_pair(scene, scale)
        kinds = classify(rgb, truth, scene.valid[: truth.shape[0], : truth.shape[1]], scale)
        results = (round_to(bicubic(lr, truth.shape), np.uint8), upsampler(rgb, np.maximum(lr, 1), scale))
        errors = [np.abs(result.astype(np.float64) - truth) for result in results]
        sums = groups.setdefault(scene.group, np.zeros((len(KINDS), 3)))
        for column, values in enumerate((np.ones(truth.shape), *errors)):
            sums[:, column] += np.bincount(kinds.ravel(), values.ravel(), len(KINDS))
    shares = sum(sums / sums[:, 0].sum() for sums in groups.values()) / len(groups)
    pixels, plain, ours = shares.T
    rows = [
        [kind, f"{pixels[i] / pixels.sum():.1%}", *(f"{e[i] / max(pixels[i], 1e-9):.3f}" for e in (plain, ours)),
         f"{ours[i] / ours.sum():.1%}"] for i, kind in enumerate(KINDS)
    ]  # fmt: skip
    rows.append(["all", "100.0%", *(f"{e.sum() / pixels.sum():.3f}" for e in (plain, ours)), "100.0%"])
    print(f"weights {upsampler.name}, {options.scenes}, x{scale}")
    print(text_table(["", "pixels", "bicubic", "ours", "of our error"], rows))
    content = {"kinds": KINDS, "shares": shares.tolist()}
    write_result(options.out / f"{options.scenes}_x{scale}.json", content, [upsampler])


def classify(rgb: Array, truth: Array, valid: Mask, scale: int) -> npt.NDArray[np.intp]:
    """(H, W) index into KINDS of every pixel."""
    side = np.ones((scale | 1, scale | 1), np.uint8)  # odd: OpenCV's opening with an even square moves edges
    opened, closed = (cv2.morphologyEx(truth, op, side).astype(int) for op in (cv2.MORPH_OPEN, cv2.MORPH_CLOSE))
    narrow = np.maximum(truth - opened, closed - truth) >= STEP
    thin = cv2.dilate(narrow.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    contrast = local_range(grey, 2 * max(scale // 2, 2) + 1)
    close, near = (edge_band(truth, STEP, radius) for radius in (scale / 2, 2 * scale))
    return np.select(
        [
            ~valid,
            thin,
            close & (contrast < CONTRAST),
            close,
            near,
            local_range(grey, 5) > TEXTURE,
            local_range(truth, 4 * scale + 1) >= STEP,
        ],
        list(range(len(KINDS) - 1)),
        len(KINDS) - 1,
    )


def local_range(image: Array, side: int) -> npt.NDArray[np.float64]:
    """Largest minus smallest value in a square around each pixel."""
    square = np.ones((side, side), np.uint8)
    spread: npt.NDArray[np.float64] = cv2.dilate(image, square).astype(np.float64) - cv2.erode(image, square)
    return spread


if __name__ == "__main__":
    main()
