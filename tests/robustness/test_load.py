"""Eight threads on one up-sampler, for as long as it takes each to have met every kind of call."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from bridgenet_infer import DepthUpsampler
from robustness.processes.load import growth, load, make_cases

CASES = [case for case in make_cases() if case.rgb.shape[0] <= 160]


@pytest.mark.skipif(sys.platform != "linux", reason="sizes are read from /proc")
def test_results_of_many_threads_are_those_of_one(tiny_upsampler: DepthUpsampler) -> None:
    run = load(tiny_upsampler, CASES, 600, threads=8, most_calls=8, pause=0.1)
    assert run.wrong == run.warned == []
    assert run.calls == 64
    assert run.refused >= 1
    assert min(run.per_case.values()) >= 1
    assert run.failures == ["64 calls are too few to judge memory: take more --minutes"]


def test_another_result_or_error_is_noticed(tiny_upsampler: DepthUpsampler) -> None:
    good, bad = CASES[0], next(case for case in CASES if case.name == "tile refused")
    expected = good.call(tiny_upsampler)
    assert replace(good, expected=expected).is_met_by(expected)
    for other in (expected + 1, expected.astype(np.int32), expected[:-1], "an error"):
        assert not replace(good, expected=expected).is_met_by(other)
    said = bad.call(tiny_upsampler)
    assert "tile" in said
    assert replace(bad, expected=said).is_met_by(said)
    assert not replace(bad, expected=said).is_met_by(expected)


def test_growth_is_that_of_the_line_through_the_sizes() -> None:
    assert growth([(0, 10), (1, 12), (2, 14)]) == pytest.approx(4)
    assert growth([(0, 10), (1, 12), (2, 10)]) == pytest.approx(0)
    assert growth([(0, 10), (1, 12)]) == 0
