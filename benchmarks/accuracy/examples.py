"""The two rendered examples: `python -m benchmarks.accuracy.examples [--weights default]`.

Mean absolute error against exact depth, and whether absolute depth holds: the kernel that made the LR depth (Pillow
bicubic), applied to the result, should give the LR depth back. Its deviation is in per cent of the LR depth's range.
"""

import numpy as np
from PIL import Image

from benchmarks.accuracy.baselines import nearest
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.arrays import Array
from bridgenet_infer.demo.compare import bicubic
from bridgenet_infer.pipeline.holes import fill_holes
from examples import FOLDER
from examples.compare import errors

EXAMPLES = ("desk", "street")
MEASURES = ("error mm", "deviation %", "worst %", "bias %")


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "examples", ["default"])
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name, device="cpu") for name in options.weights]
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for name in EXAMPLES:
        rgb, lr, exact = read_rgb(FOLDER / name / "rgb.png"), *(
            read_depth(FOLDER / name / f"{file}.png") for file in ("depth_lr", "depth")
        )  # fmt: skip
        results = {"bicubic": bicubic(lr, exact.shape)}
        results |= {each.name: np.asarray(each(rgb, lr, fill_holes=True)) for each in loaded}
        mask = (exact > 0) & nearest(lr > 0, exact.shape)
        figures[name] = {
            method: {"error mm": errors(result, exact, mask)[0], **deviation(result, lr)}
            for method, result in results.items()
        }
    rows = [[name, method, *(f"{values[key]:.2f}" for key in MEASURES)]
            for name, by_method in figures.items() for method, values in by_method.items()]  # fmt: skip
    print(text_table(["example", "method", *MEASURES], rows))
    write_result(options.out / "examples.json", {"figures": figures}, loaded)


def deviation(result: Array, lr: Array) -> dict[str, float]:
    """Of the shrunk result from the LR depth: mean, largest and signed mean, in per cent of the LR depth's range."""
    valid = lr > 0
    again = np.asarray(Image.fromarray(result.astype(np.float32)).resize(lr.shape[::-1], Image.Resampling.BICUBIC))
    difference = (again - fill_holes(lr.astype(np.float32), valid))[valid] / float(np.ptp(lr[valid])) * 100
    return {
        "deviation %": float(np.abs(difference).mean()),
        "worst %": float(np.abs(difference).max()),
        "bias %": float(difference.mean()),
    }


if __name__ == "__main__":
    main()
