"""Random pairs of all that users have met: sizes, scales, holes, wide ranges, wild samples."""

import cv2
import numpy as np
import numpy.typing as npt

KINDS = ("plain", "holes", "a border without depth", "few samples", "one sample", "constant", "nothing", "wide", "wild")


def kind_of(seed: int) -> str:
    """The kind of a pair."""
    return KINDS[seed % len(KINDS)]


def hard_pair(
    seed: int, longest: int, scales: tuple[float, float] = (2, 16)
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """RGB (H, W, 3) with both sides up to `longest`, and LR depth (h, w) at a scale between two, whole or not."""
    rng = np.random.default_rng(seed)
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    scale = round(scale) if rng.random() < 0.7 else scale
    low = [int(rng.uniform(max(longest / scale / 4, 1), longest / scale)) for _ in range(2)]
    height, width = (max(round(side * scale + rng.uniform(-0.4, 0.4) * scale), 1) for side in low)
    coarse = rng.uniform(0.5, 5, (max(low[0] // 5, 1), max(low[1] // 5, 1))).astype(np.float32)
    steps = cv2.resize(coarse, (low[1], low[0]), interpolation=cv2.INTER_NEAREST)
    depth = (steps + rng.normal(0, 0.003, low)).astype(np.float32) * np.float32(rng.choice([1, 1000]))
    colour = cv2.resize(coarse / 5 * 200, (width, height), interpolation=cv2.INTER_NEAREST)[..., None]
    rgb = np.clip(colour + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    return rgb, _spoil(depth, kind_of(seed), rng)


def _spoil(depth: npt.NDArray[np.float32], kind: str, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    height, width = depth.shape
    row, column = rng.integers(height), rng.integers(width)
    if kind == "holes":
        depth[rng.random(depth.shape) < 0.3] = rng.choice([0, np.nan, np.inf])
        depth[row : row + height // 3, column : column + width // 3] = 0
    elif kind == "a border without depth":
        depth[:, : width // 3], depth[height - height // 4 :] = 0, np.nan
    elif kind == "few samples":
        depth[rng.random(depth.shape) < 0.95] = 0
    elif kind in ("one sample", "nothing"):
        one = depth[row, column]
        depth[:] = 0
        depth[row, column] = one if kind == "one sample" else 0
    elif kind == "constant":
        depth[:] = depth[row, column]
    elif kind == "wide":
        depth[:, column:] *= np.float32(10 ** rng.uniform(2, 6))
    elif kind == "wild":
        depth[row, column] = 1e10
    return depth
