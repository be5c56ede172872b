"""Draw good and bad calls of `register_depth` and of a `DepthStream`."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import intrinsic_matrix
from bridgenet_infer.registration import register_depth
from bridgenet_infer.stream import DepthStream
from robustness.draw import Generator, pick

Call = Callable[[], None]


def draw_registration(rng: Generator) -> tuple[str, Call]:
    """A registration that checks its result, or one that must be refused."""
    height, width = (int(rng.integers(1, 30)) for _ in range(2))
    depth = draw_raw_depth(rng, height, width)
    focal = rng.uniform(0.3, 3) * max(height, width)
    camera = intrinsic_matrix(focal, focal, (width - 1) / 2, (height - 1) / 2)
    kind = rng.random()
    if kind < 0.3:
        return "register, unmoved", lambda: _check_unmoved(depth, camera)
    motion = np.eye(4)
    motion[:3, :3] = _rotation(rng, 0.1 if kind < 0.6 else 3.0)
    # up to the other side of what is seen: samples then lie close before and behind the camera's plane
    motion[:3, 3] = rng.normal(0, rng.choice([0.1, 1.0]), 3) * np.median(np.where(np.isfinite(depth), depth, 1))
    size, scale = (int(rng.integers(1, 90)), int(rng.integers(1, 90))), float(rng.choice([1, 2, 4, 7.5]))
    rgb_camera = camera * [[rng.uniform(0.5, 3)], [rng.uniform(0.5, 3)], [1]]
    arguments: list[Any] = [depth, camera, rgb_camera, motion, size, scale]
    if kind < 0.8:
        return "register", lambda: _check_registered(arguments)
    return "bad register", _spoilt(rng, arguments)


def draw_raw_depth(rng: Generator, height: int, width: int) -> Array:
    """(h, w) with holes; everyday or extreme."""
    dtype = pick(rng, ["uint16", "uint16", "float32", "float32", "uint8", "int32", "float16", "float64"])
    least, most = pick(rng, [(300, 5000), (0.3, 10), (1, 3)]) if dtype != "uint8" else (1, 250)
    depth = rng.uniform(least, most, (height, width))
    if dtype in ("float32", "float64") and rng.random() < 0.2:
        depth[rng.random(depth.shape) < 0.1] = pick(rng, [1e-38, 1e38, 1e-6])
    depth = depth.astype(dtype)
    depth[rng.random(depth.shape) < rng.choice([0, 0.3, 1])] = pick(
        rng, [0, np.nan, np.inf] if depth.dtype.kind == "f" else [0]
    )
    return depth


def _check_unmoved(depth: Array, camera: Array) -> None:
    """From a camera to itself everything stays in its place."""
    found = register_depth(depth, camera, camera, np.eye(4), depth.shape, 1.0)
    valid = np.isfinite(depth) & (depth > 0)
    assert found.dtype == depth.dtype
    # a whole-number sample may come back a rounding error below itself
    assert np.allclose(found[valid], depth[valid], rtol=1e-3 if depth.dtype == np.float16 else 1e-6)


def _check_registered(arguments: list[Any]) -> None:
    depth, _, _, _, size, scale = arguments
    before = depth.copy()
    found = register_depth(*arguments)
    assert np.array_equal(depth, before, equal_nan=True), "the depth was changed"
    assert found.dtype == depth.dtype
    assert found.shape == tuple(max(round(side / scale), 1) for side in size)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def _rotation(rng: Generator, angle: float) -> Array:
    """By up to this many radians."""
    return cv2.Rodrigues(rng.uniform(-angle, angle, 3))[0]


def _spoilt(rng: Generator, arguments: list[Any]) -> Call:
    """One argument is wrong."""
    matrix = [np.eye(4), np.eye(2), None, "matrix", np.full((3, 3), np.nan), np.zeros((3, 3)), np.full((3, 3), "a"),
              np.diag([-500.0, 500, 1]), np.diag([np.inf, 500, 1])]  # fmt: skip
    wrong: dict[int, list[Any]] = {
        0: [None, [[1, 2]], np.ones(5), np.ones((2, 3, 4)), np.ones((3, 3), bool), np.ones((3, 3), complex),
            np.full((3, 3), "a"), np.full((3, 3), None), np.ones((0, 4))],
        1: matrix,
        2: matrix,
        3: [np.eye(3), 2 * np.eye(4), np.zeros((4, 4)), np.full((4, 4), np.nan), None, "motion",
            np.where(np.eye(4, k=3) > 0, np.inf, np.eye(4))],
        4: [(), (5,), (0, 5), (-3, 4), (np.nan, 5), (5, np.nan), (4, 5, 3)],
        5: [0, -1, -0.0, np.nan, np.inf, -np.inf],
    }  # fmt: skip
    place = int(rng.integers(len(wrong)))
    arguments = list(arguments)
    arguments[place] = pick(rng, wrong[place])
    return lambda: _register(arguments)


def _register(arguments: list[Any]) -> None:
    register_depth(*arguments)


def draw_stream(rng: Generator) -> tuple[str, Call]:
    """Frames through a stream, some of which the up-sampler refuses; or a stream that cannot be."""
    if rng.random() < 0.4:
        sizes: list[dict[str, Any]] = [{"maxsize": size} for size in (0, -1, 1.5, np.nan, "2")]
        options = pick(rng, [*sizes, {"drop": "all"}, {"drop": None}])
        return "bad stream", lambda: DepthStream(lambda rgb, depth: depth, **options).close()
    count, fails_at = int(rng.integers(1, 12)), int(rng.integers(0, 20))
    drop, maxsize = pick(rng, ["oldest", "newest", "none"]), int(rng.integers(1, 4))
    return "stream", lambda: _check_stream(count, fails_at, drop, maxsize)


def _check_stream(count: int, fails_at: int, drop: Any, maxsize: int) -> None:
    """Results in order, counts that add up, and an error that is told once."""

    def upsample(rgb: int, depth: int) -> int:
        if rgb == fails_at:
            raise ValueError(f"frame {rgb}")
        return depth

    seen: list[int] = []
    stream = DepthStream(upsample, drop=drop, maxsize=maxsize, on_result=lambda result: seen.append(result.depth))
    told = 0
    for i in range(count):
        try:
            stream.submit(i, i)
        except ValueError:
            told += 1
            break
        except RuntimeError:
            assert told, "closed without a reason"
    try:
        stream.close()
    except ValueError:
        told += 1
    counts = stream.statistics
    assert told == counts.failed, f"{counts.failed} failed, {told} told"
    assert seen == sorted(set(seen)), f"out of order: {seen}"
    assert counts.submitted == counts.finished + counts.dropped + counts.failed, counts
    assert len(seen) == counts.finished
