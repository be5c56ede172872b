"""DepthStream: every frame accounted for, errors reach the caller, shutdown is clean."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.stream import DepthStream, StreamResult


class Gate:
    """An up-sampler that returns its depth when it is let."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)
        self.started = threading.Semaphore(0)

    def __call__(self, rgb: object, depth: object) -> object:
        self.started.release()
        assert self.turns.acquire(timeout=60)
        return depth


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


def test_results_are_the_upsamplers_and_stamps_pass_untouched(tiny_upsampler: DepthUpsampler) -> None:
    rng = np.random.default_rng(0)
    rgb, depth = rng.integers(0, 256, (32, 48, 3), np.uint8), rng.integers(500, 900, (8, 12)).astype(np.uint16)
    stamp = object()
    with DepthStream(tiny_upsampler, drop="none") as stream:
        stream.submit(rgb, depth, stamp)
        result = next(iter(stream))
    assert result.stamp is stamp
    assert np.array_equal(result.depth, tiny_upsampler(rgb, depth))
    assert 0 < result.processing <= result.latency


@pytest.mark.parametrize(("drop", "kept"), [("oldest", [0, 3]), ("newest", [0, 1])])
def test_a_slow_network_costs_frames_not_latency(drop: str, kept: list[int]) -> None:
    gate, results = Gate(), list[StreamResult]()
    stream = DepthStream(gate, drop=drop, on_result=results.append)  # type: ignore[arg-type]
    stream.submit(None, 0)
    assert gate.started.acquire(timeout=60)
    accepted = [stream.submit(None, number) for number in (1, 2, 3)]
    gate.turns.release(2)
    stream.close()
    assert [result.depth for result in results] == [result.sequence for result in results] == kept
    assert accepted == ([True] * 3 if drop == "oldest" else [True, False, False])
    statistics = stream.statistics
    assert (statistics.submitted, statistics.finished, statistics.dropped) == (4, 2, 2)
    assert statistics.latency_p99 >= statistics.latency_p50 > 0
    assert statistics.rate > 0


@given(st.integers(1, 4), st.sampled_from(["oldest", "newest", "none"]), st.integers(0, 30))
@settings(max_examples=30)
def test_every_frame_is_accounted_for(maxsize: int, drop: str, count: int) -> None:
    results: list[StreamResult] = []
    stream = DepthStream(lambda rgb, depth: depth, maxsize=maxsize, drop=drop, on_result=results.append)  # type: ignore[arg-type]
    for number in range(count):
        stream.submit(None, number)
    stream.close()
    statistics = stream.statistics
    assert statistics.submitted == count == statistics.finished + statistics.dropped
    assert len(results) == statistics.finished
    sequences = [result.sequence for result in results]
    assert sequences == sorted(set(sequences))
    if drop == "none":
        assert sequences == list(range(count))


def test_an_iterator_gets_every_result_in_order() -> None:
    stream = DepthStream(lambda rgb, depth: depth, maxsize=2, drop="none")

    def feed() -> None:
        for number in range(50):
            stream.submit(None, number)
        stream.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert [result.depth for result in stream] == list(range(50))
    feeder.join(timeout=60)
    assert stream.statistics.missed == 0


def test_results_nobody_fetched_give_way_and_are_counted() -> None:
    stream = DepthStream(lambda rgb, depth: depth)
    for number in range(3):
        stream.submit(None, number)
        until(lambda number=number: stream.statistics.finished == number + 1)  # type: ignore[misc]
    stream.close()
    assert [result.depth for result in stream] == [2]
    assert stream.statistics.missed == 2


def test_worker_errors_reach_the_caller_once() -> None:
    def fail(rgb: object, depth: object) -> object:
        raise ValueError("no scale explains these shapes")

    stream = DepthStream(fail)
    stream.submit(None, 0)
    until(lambda: stream.statistics.failed == 1)
    with pytest.raises(ValueError, match="no scale"):
        stream.submit(None, 1)
    with pytest.raises(RuntimeError, match="closed"):
        stream.submit(None, 2)
    stream.close()
    stream = DepthStream(fail)
    stream.submit(None, 0)
    with pytest.raises(ValueError, match="no scale"):
        list(stream)
    stream.close()


def test_a_failing_callback_ends_the_stream_too() -> None:
    def refuse(result: StreamResult) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), DepthStream(lambda rgb, depth: depth, on_result=refuse) as stream:
        stream.submit(None, 0)


def test_close_can_drop_what_waits_and_ends_the_thread() -> None:
    gate = Gate()
    stream = DepthStream(gate, maxsize=3)
    for number in range(4):
        stream.submit(None, number)
    assert gate.started.acquire(timeout=60)
    until(lambda: stream.statistics.submitted == 4)
    gate.turns.release()
    stream.close(drain=False)
    assert stream.statistics.dropped >= 2
    assert not any(thread.name == "DepthStream" and thread.is_alive() for thread in threading.enumerate())
    stream.close()


@pytest.mark.parametrize("options", [{"maxsize": 0}, {"maxsize": 1.5}, {"drop": "some"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DepthStream(lambda rgb, depth: depth, **options)  # type: ignore[arg-type]
