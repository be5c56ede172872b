"""Linear against inverse-depth normalisation on rendered 0.5-80 m scenes: `python -m benchmarks.normalisation`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.holes import fill_holes
from bridgenet_infer.normalise import Space
from bridgenet_infer.restore import nearest
from training.raycast import build_scene, default_camera, render

Array = npt.NDArray[Any]
BANDS = ((0.5, 2.0), (2.0, 8.0), (8.0, 80.0))  # metres
SPACES: tuple[Space, ...] = ("linear", "inverse")


def shrink(depth: Array, scale: int) -> Array:
    """Exact metres with holes as 0 -> LR float32 metres by Pillow bicubic over filled holes."""
    size = (depth.shape[0] // scale, depth.shape[1] // scale)
    image = Image.fromarray(fill_holes(depth, depth > 0))
    small = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
    return np.where(nearest(depth > 0, size), small, 0).astype(np.float32)


def relative_error(prediction: Array, depth: Array, band: tuple[float, float]) -> float:
    """Mean of |error| / depth in per cent over the truth's depth band."""
    mask = (depth >= band[0]) & (depth < band[1]) & (prediction > 0)
    return float((np.abs(prediction[mask] - depth[mask]) / depth[mask]).mean() * 100)


def main() -> None:
    """Print per cent error per depth band for both spaces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=8)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--weights", default="lite")
    parser.add_argument("--out", type=Path, default=Path("out", "normalisation"))
    options = parser.parse_args()
    upsampler = DepthUpsampler.from_pretrained(options.weights)
    errors: dict[Space, list[list[float]]] = {space: [] for space in SPACES}
    for seed in range(100, 100 + options.scenes):
        rgb, depth = render(build_scene(seed, "outdoor"), default_camera(), seed=seed)
        lr = shrink(depth, options.scale)
        for space in SPACES:
            prediction = upsampler(rgb, lr, options.scale, space=space)
            errors[space].append([relative_error(prediction, depth, band) for band in BANDS])
    print(f"x{options.scale}, {options.scenes} outdoor scenes, weights {upsampler.weights}: mean |error| / depth in %")
    means = {space: [float(value) for value in np.mean(rows, 0)] for space, rows in errors.items()}
    cells = [[space, *(f"{value:.2f}" for value in values)] for space, values in means.items()]
    print(text_table(["space", *(f"{low:g}-{high:g} m" for low, high in BANDS)], cells))
    write_result(options.out / "normalisation.json", {"bands": BANDS, "error %": means}, [upsampler])


if __name__ == "__main__":
    main()
