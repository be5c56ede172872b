"""A pool of training images of one size, made once; every step crops and degrades some of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from bridgenet_infer.arrays import Array
from bridgenet_infer.files import remove_leftovers, write_atomically
from bridgenet_infer.pipeline.holes import fill_holes
from simulation.procedural import procedural_pair
from simulation.raycast import raycast_pair
from training.config import DataConfig
from training.resize import resize_scene

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
        """Images on another device; `real` stays on the CPU, where indices are drawn without waiting for a GPU."""
        moved = {name: getattr(self, name).to(device) for name in ("rgb", "depth", "weight", "span")}
        return replace(self, **moved)


@dataclass(frozen=True)
class PoolPlan:
    """The content of a pool of side `size`, by `seed`.

    `procedural` flat and `raycast` perspective pairs, and windows of the real scenes: of each one as it is, and of
    `resized` versions between half and twice its size.
    """

    size: int
    procedural: int
    raycast: int
    resized: int
    seed: int

    def file_name(self, scenes: list[Path]) -> str:
        """Where `load_or_build_pool` keeps it: a pool of other scenes has another name."""
        return f"{self.size}-{self.procedural}-{self.raycast}-{self.resized}-{self.seed}-{scenes_sha256(scenes)}.pt"


def plans_of(config: DataConfig) -> list[PoolPlan]:
    """The pools that a training configuration asks for: one, and perhaps one of larger images for scales beyond 8."""
    sizes = [config.pool_size, config.coarse_pool_size] if config.coarse_pool_size else [config.pool_size]
    most = max(sizes)
    # larger synthetic images take as much longer to make, and hold as many more patches
    return [
        PoolPlan(
            size,
            config.procedural * config.pool_size**2 // size**2,
            config.raycast * config.pool_size**2 // size**2,
            config.resized if size < most or len(sizes) == 1 else config.resized + 1,
            config.pool_seed,
        )
        for size in sizes
    ]


def list_scenes(folder: Path | None) -> list[Path]:
    """Folders with a meta.json below `folder`, in a fixed order."""
    return sorted(path.parent for path in folder.rglob("meta.json")) if folder else []


def scenes_sha256(scenes: list[Path]) -> str:
    """Twelve digits for the names and sizes of real scenes."""
    listed = "".join(f"{p.parent.name}/{p.name} {sum(f.stat().st_size for f in p.iterdir())}\n" for p in scenes)
    return hashlib.sha256(listed.encode()).hexdigest()[:12]


def build_pool(plan: PoolPlan, scenes: list[Path], workers: int) -> Pool:
    """Synthetic pairs by seed, and overlapping windows of the real scenes."""
    # forked children of a process with running torch and OpenCV threads can hang
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as executor:
        items: list[Item] = []
        for make, count in ((procedural_pair, plan.procedural), (raycast_pair, plan.raycast)):
            items += executor.map(partial(_synthetic_item, make, plan.seed, plan.size), range(count), chunksize=8)
        synthetic = len(items)
        too_small: Counter[str] = Counter()
        for versions in executor.map(partial(_real_items, plan), scenes):
            for size, windows in versions:
                items.extend(windows)
                too_small[size] += not windows
    rgb, depth, weight, span = (np.stack(column) for column in zip(*items, strict=True))
    pool = Pool(
        torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(depth)[:, None],
        torch.from_numpy(weight)[:, None],
        torch.from_numpy(span),
        torch.arange(len(items)) >= synthetic,
    )
    lost = ", ".join(f"{count} {size}" for size, count in sorted(too_small.items()) if count) or "none"
    print(
        f"pool of {plan.size} x {plan.size}: {synthetic} synthetic and {len(items) - synthetic} real windows, "
        f"{sum(x.nbytes for x in vars(pool).values()) / 2**20:.0f} MiB; images without a window: {lost}",
        flush=True,
    )
    return pool


def load_or_build_pool(folder: Path, plan: PoolPlan, real_folder: Path | None, workers: int) -> Pool:
    """The pool kept in `folder`, made first if it is not there; written atomically, mapped rather than read."""
    scenes = list_scenes(real_folder)
    path = folder / plan.file_name(scenes)
    if not path.exists():
        pool = build_pool(plan, scenes, workers)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        buffer = io.BytesIO()
        torch.save(vars(pool), buffer)
        write_atomically(path, buffer.getvalue())
    return Pool(**torch.load(path, weights_only=True, mmap=True))


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


def _real_items(plan: PoolPlan, folder: Path) -> list[tuple[str, list[Item]]]:
    """Windows of a scene at its own size and at random ones; each with the size's name."""
    cv2.setNumThreads(1)
    rgb, grey, valid = read_scene(folder)
    span = np.percentile(grey[valid], (1, 99)).astype(np.float32)
    filled = fill_holes(grey, valid)
    versions = [("as they are", list(_windows(rgb, filled, valid, span, plan.size)))]
    rng = np.random.default_rng((plan.seed, zlib.crc32(f"{folder.parent.name}/{folder.name}".encode())))
    for _ in range(plan.resized):
        factor = float(2 ** rng.uniform(-1, 1))
        size = (round(grey.shape[0] * factor), round(grey.shape[1] * factor))
        windows = list(_windows(*resize_scene(rgb, filled, valid, size), span, plan.size))
        versions.append(("enlarged" if factor > 1 else "shrunk", windows))
    return versions


def _windows(rgb: Array, depth: Array, valid: Array, span: Array, size: int) -> Iterator[Item]:
    weight = np.where(valid, 255, 25).astype(np.uint8)  # filled areas at a tenth
    whole = (depth * GREY).astype(np.int16)
    for y in _origins(depth.shape[0], size):
        for x in _origins(depth.shape[1], size):
            window = (slice(y, y + size), slice(x, x + size))
            if valid[window].mean() > 0.6:
                yield rgb[window], whole[window], weight[window], span


def _origins(length: int, size: int) -> list[int]:
    """Window origins half a window apart, the last one flush with the border."""
    if length < size:
        return []
    return sorted({*range(0, length - size, size // 2), length - size})
