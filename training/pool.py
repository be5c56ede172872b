"""A pool of equally sized training images: made once, cropped and degraded at every step."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bridgenet_infer.holes import fill_holes
from bridgenet_infer.write import remove_leftovers, write_atomically
from training.config import DataConfig
from training.procedural import procedural_pair
from training.raycast import raycast_pair

Array = npt.NDArray[Any]
Item = tuple[Array, Array, Array, Array]  # RGB, depth, weight, span
PairMaker = Callable[[int, int, int], tuple[Array, Array]]
GREY = 128  # depth is kept as int16 in 1/128 grey levels (torch can do little with uint16)


@dataclass(frozen=True)
class Pool:
    """N image pairs of P x P pixels; each is treated as a whole image (its border is an image border).

    rgb (N, 3, P, P) uint8; depth (N, 1, P, P) int16, 1/128 grey levels; weight (N, 1, P, P) uint8, 255 =
    measured, less where a hole was filled; span (N, 2) float32, low and high of the source image in grey
    levels; real (N,) bool.
    """

    rgb: Tensor
    depth: Tensor
    weight: Tensor
    span: Tensor
    real: Tensor

    def to(self, device: torch.device) -> Pool:
        """The same on another device."""
        return Pool(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class PoolPlan:
    """What a pool is made of: `procedural` flat and `raycast` perspective pairs of side `size`, by `seed`."""

    size: int
    procedural: int
    raycast: int
    seed: int

    @property
    def file_name(self) -> str:
        """Where `load_or_build_pool` keeps it."""
        return f"{self.size}-{self.procedural}-{self.raycast}-{self.seed}.pt"


def plan_of(config: DataConfig) -> PoolPlan:
    """The pool that a training configuration asks for."""
    return PoolPlan(config.pool_size, config.procedural, config.raycast, config.pool_seed)


def build_pool(plan: PoolPlan, real_folder: Path | None, workers: int) -> Pool:
    """Synthetic pairs by seed, and overlapping windows of the real scenes below `real_folder`."""
    # forked children of a process with running torch and OpenCV threads can hang
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as executor:
        items: list[Item] = []
        for make, count in ((procedural_pair, plan.procedural), (raycast_pair, plan.raycast)):
            items += executor.map(partial(_synthetic_item, make, plan.seed, plan.size), range(count), chunksize=8)
    synthetic = len(items)
    for folder in sorted(path.parent for path in real_folder.rglob("meta.json")) if real_folder else []:
        items.extend(_real_items(folder, plan.size))
    rgb, depth, weight, span = (np.stack(column) for column in zip(*items, strict=True))
    real = torch.arange(len(items)) >= synthetic
    return Pool(
        torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(depth)[:, None],
        torch.from_numpy(weight)[:, None],
        torch.from_numpy(span),
        real,
    )


def load_or_build_pool(folder: Path, plan: PoolPlan, real_folder: Path | None, workers: int) -> Pool:
    """The pool kept in `folder`, made first if it is not there; written atomically."""
    path = folder / plan.file_name
    if not path.exists():
        pool = build_pool(plan, real_folder, workers)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        buffer = io.BytesIO()
        torch.save(vars(pool), buffer)
        write_atomically(path, buffer.getvalue())
    return Pool(**torch.load(path, weights_only=True))


def read_scene(folder: Path) -> tuple[Array, Array, Array]:
    """RGB (H, W, 3) uint8, grey levels (H, W) float32 and validity (H, W) of a scene with a meta.json."""
    meta = json.loads((folder / "meta.json").read_text())
    rgb = cv2.imread(str(folder / "rgb.png"), cv2.IMREAD_COLOR)
    path = folder / meta["depth_file"]
    raw = np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if rgb is None or raw is None or raw.ndim != 2:
        raise OSError(f"{folder}: rgb.png or {path.name} cannot be read as an image pair")
    valid = np.isfinite(raw) & (raw > 0)
    grey = np.where(valid, raw, 0).astype(np.float32)
    if raw.dtype != np.uint8:
        low, high = np.percentile(grey[valid], (0.5, 99.5))
        grey = 10 + (grey - low) * (235 / (high - low))
    rgb = cv2.cvtColor(rgb, cv2.COLOR_BGR2RGB)
    if rgb.shape[:2] != raw.shape:
        rgb = cv2.resize(rgb, raw.shape[::-1], interpolation=cv2.INTER_AREA)
    return rgb, np.clip(grey, 0, 255), valid


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""

    def watch() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _synthetic_item(make: PairMaker, seed: int, size: int, index: int) -> Item:
    cv2.setNumThreads(1)
    rgb, depth = make(seed, index, size)
    weight = np.full(depth.shape, 255, np.uint8)
    return rgb, (depth * GREY).astype(np.int16), weight, np.percentile(depth, (1, 99)).astype(np.float32)


def _real_items(folder: Path, size: int) -> list[Item]:
    rgb, grey, valid = read_scene(folder)
    span = np.percentile(grey[valid], (1, 99)).astype(np.float32)
    depth = (fill_holes(grey, valid) * GREY).astype(np.int16)
    weight = np.where(valid, 255, 25).astype(np.uint8)  # filled areas at a tenth
    items = []
    for y in _origins(grey.shape[0], size):
        for x in _origins(grey.shape[1], size):
            window = (slice(y, y + size), slice(x, x + size))
            if valid[window].mean() > 0.6:
                items.append((rgb[window], depth[window], weight[window], span))
    return items


def _origins(length: int, size: int) -> list[int]:
    """Window origins half a window apart, the last one flush with the border."""
    if length < size:
        return []
    return sorted({*range(0, length - size, size // 2), length - size})
