"""Nodes warn of depth that does not lie on its image: over many frames, once, and never on weak evidence."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridgenet_infer import read_depth, read_rgb
from bridgenet_infer.arrays import Array
from bridgenet_infer.ros.messages import image_fields
from bridgenet_infer.ros.node import KINDS, DepthNode
from bridgenet_infer.ros.parameters import NodeParameters
from bridgenet_infer.ros.watch import FRAMES, AlignmentWatch
from examples import DESK

Pair = tuple[Array, Array]
SENTENCE = "depth fits the image when left and right change places (as in {} of 10 frames): is it registered?"


@pytest.fixture(scope="module")
def desk() -> Pair:
    """At half its size."""
    return read_rgb(DESK / "rgb.png")[::2, ::2], read_depth(DESK / "depth_lr.png")


class Clock:
    """Seconds, which go on by themselves: every look is due."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1000
        return self.now


def looked_at(frames: list[Pair]) -> tuple[AlignmentWatch, list[str]]:
    warnings: list[str] = []
    watch = AlignmentWatch(warnings.append, Clock())
    for frame in frames:
        watch.look(*frame)
    return watch, warnings


def mirrored(pair: Pair) -> Pair:
    return np.ascontiguousarray(pair[0][:, ::-1]), pair[1]


def test_many_frames_that_do_not_fit_are_told_once(desk: Pair) -> None:
    _, warnings = looked_at([mirrored(desk)] * (FRAMES - 1))
    assert warnings == []
    watch, warnings = looked_at([mirrored(desk)] * (FRAMES + 3))
    assert warnings == [watch.warning] == [SENTENCE.format(FRAMES)]
    watch.restart()
    assert watch.warning == ""


def test_half_of_the_frames_are_not_enough(desk: Pair) -> None:
    assert looked_at([desk, mirrored(desk)] * (FRAMES // 2))[1] == []
    watch, warnings = looked_at([desk, mirrored(desk)] * (FRAMES // 2) + [mirrored(desk)] * 2)
    assert warnings == [watch.warning] == [SENTENCE.format(FRAMES // 2 + 1)]
    for _ in range(2):
        watch.look(*desk)
    assert watch.warning == ""


def test_depth_that_fits_is_never_warned_of(desk: Pair) -> None:
    assert looked_at([desk] * FRAMES)[1] == []


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20), st.sampled_from([np.uint16, np.float32]))
def test_noise_of_any_shape_is_weak_evidence(seed: int, h: int, w: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)

    def noise() -> Pair:
        depth = (rng.integers(0, 4000, (h, w)) * (rng.random((h, w)) < 0.8)).astype(dtype)
        return rng.integers(0, 256, (4 * h, 4 * w, 3), np.uint8), depth

    assert looked_at([noise() for _ in range(FRAMES)])[1] == []


def test_checks_take_a_small_share_of_the_time(desk: Pair) -> None:
    now, warnings = [0.0], list[str]()
    watch = AlignmentWatch(warnings.append, lambda: now[0])
    for _ in range(3 * FRAMES):
        watch.look(*mirrored(desk))
    assert warnings == []
    for _ in range(FRAMES):
        now[0] += 1000
        watch.look(*mirrored(desk))
    assert len(warnings) == 1


def test_the_node_warns_once_and_keeps_it_in_its_report(desk: Pair) -> None:
    now, warnings = [0.0], list[str]()
    node = DepthNode(lambda rgb, depth, **options: depth, lambda output: None, warnings.append, clock=lambda: now[0])

    def give_until(told: int, most: int = 10 * FRAMES) -> None:
        while len(warnings) < told and (most := most - 1) >= 0:
            now[0] += 1000
            count = int(node.report().values["published"])
            header = SimpleNamespace(stamp=SimpleNamespace(sec=int(now[0]), nanosec=0), frame_id="camera")
            for kind, pixels in zip(KINDS, mirrored(desk), strict=True):
                node.on_image(kind, SimpleNamespace(header=header, **image_fields(pixels)))
            while int(node.report().values["published"]) == count:
                time.sleep(0.005)

    give_until(told=1)
    assert warnings == [SENTENCE.format(FRAMES)]
    assert (node.report().warns, node.report().message) == (True, warnings[0])
    node.configure(NodeParameters(slop=0.1))
    give_until(told=2, most=3 * FRAMES)
    assert len(warnings) == 1
    node.configure(NodeParameters(slop=0.1, scale=8))  # says where depth lies
    give_until(told=2)
    assert len(warnings) == 2
    node.close()
