"""What became of the frames of the last seconds, for /diagnostics."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass

import numpy as np

WINDOW = 5.0  # seconds that rate, latencies and shares look back
LARGE_SHARE = 0.5  # of the pairs, if they are dropped, is worth a warning


@dataclass(frozen=True)
class Stages:
    """Seconds that one published frame spent; the sum is its latency, from the pair's second message on.

    Attributes
    ----------
    waiting
        For the frame before.
    registration
        From messages to arrays that lie on each other.
    upsampling
        In the up-sampler.
    publishing
        From the array to the middleware.
    """

    waiting: float
    registration: float
    upsampling: float
    publishing: float


@dataclass(frozen=True)
class Report:
    """One diagnostic_msgs/DiagnosticStatus: whether it warns, its message, its values."""

    warns: bool
    message: str
    values: dict[str, str]


class Recent:
    """Published frames and growing counts, as far as they lie within the window.

    Parameters
    ----------
    clock
        Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._published: deque[tuple[float, Stages]] = deque()
        self._counts: deque[tuple[float, dict[str, int]]] = deque()

    def publish(self, stages: Stages) -> None:
        """Note a frame that was published now."""
        self._published.append((self._clock(), stages))
        self._forget()

    def growth(self, counts: Mapping[str, int]) -> dict[str, int]:
        """By how much counts have grown within the window; to be called about once a second."""
        self._counts.append((self._clock(), dict(counts)))
        self._forget()
        oldest = self._counts[0][1]
        return {name: count - oldest[name] for name, count in counts.items()}

    def rate(self) -> float:
        """Published frames per second: 0 in silence."""
        self._forget()
        times = [when for when, _ in self._published]
        if len(times) < 2 or times[0] == (now := self._clock()):
            return len(times) / WINDOW
        return (len(times) - 1) / (now - times[0])

    def latencies(self) -> dict[str, str]:
        """Milliseconds as text, empty where no frame was published: p50 and p99 of all, p50 of each stage."""
        self._forget()
        stages = [each for _, each in list(self._published)]
        total = [sum(astuple(each)) for each in stages]
        return {
            "latency p50 (ms)": _percentile(total, 50),
            "latency p99 (ms)": _percentile(total, 99),
            "waiting p50 (ms)": _percentile([each.waiting for each in stages], 50),
            "registration p50 (ms)": _percentile([each.registration for each in stages], 50),
            "up-sampling p50 (ms)": _percentile([each.upsampling for each in stages], 50),
            "publishing p50 (ms)": _percentile([each.publishing for each in stages], 50),
        }

    def _forget(self) -> None:
        start = self._clock() - WINDOW
        while self._published and self._published[0][0] < start:
            self._published.popleft()
        while len(self._counts) > 1 and self._counts[1][0] <= start:  # the last one before the window begins it
            self._counts.popleft()


def _percentile(seconds: list[float], percent: float) -> str:
    value = 1000 * float(np.percentile(seconds, percent)) if seconds else math.nan
    return "" if math.isnan(value) else f"{value:.1f}"
