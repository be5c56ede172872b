"""Up-sample a stream of frames on a thread of its own. Stale frames are dropped and counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .temporal import Temporal, TemporalFilter

Upsample = Callable[[Any, Any], Any]
Drop = Literal["oldest", "newest", "none"]
HISTORY = 1000  # latest results that the statistics look at


@dataclass(frozen=True)
class StreamResult:
    """One up-sampled frame.

    Attributes
    ----------
    depth
        What the up-sampler returned.
    stamp
        As given to `submit`, untouched.
    sequence
        0 for the first frame submitted; gaps are dropped frames.
    latency
        Seconds from `submit` to this result.
    processing
        Seconds of that inside filter and up-sampler.
    """

    depth: Any
    stamp: Any
    sequence: int
    latency: float
    processing: float


@dataclass(frozen=True)
class StreamStatistics:
    """Counts since the start; seconds and Hz over the last thousand results, NaN before there are any.

    submitted = finished + dropped + failed + waiting (at most `maxsize`, and one being worked on). missed: of the
    finished ones, results that gave way to newer ones before the iterator fetched them.
    """

    submitted: int
    finished: int
    missed: int
    dropped: int
    failed: int
    rate: float
    latency_p50: float
    latency_p99: float
    processing_p50: float


@dataclass(frozen=True)
class _Job:
    rgb: Any
    depth: Any
    stamp: Any
    sequence: int
    since: float


class DepthStream:
    """Up-sample frames on a worker thread with bounded latency.

    Parameters
    ----------
    upsampler
        Called with (rgb, depth) on the worker thread: a `DepthUpsampler`, or any function.
    maxsize
        Frames that may wait. 1, the default, keeps the last frame only.
    drop
        What gives way when all places are taken: "oldest" (of those waiting), "newest" (the one submitted), or
        "none": `submit` waits.
    on_result
        Called with each `StreamResult` on the worker thread. Without it, iterate over the stream.
    temporal
        Steadies the depth of the frames that are worked on, before the up-sampler sees it; off by default. Depth is
        then what `TemporalFilter` takes.

    Raises
    ------
    ValueError
        If `maxsize` is no whole number from 1 or `drop` is unknown.

    Notes
    -----
    An exception of the up-sampler or of `on_result` ends the stream: it is raised by the next `submit`, by the iterator
    and by `close`, whichever comes first, once.
    """

    def __init__(
        self,
        upsampler: Upsample,
        *,
        maxsize: int = 1,
        drop: Drop = "oldest",
        on_result: Callable[[StreamResult], None] | None = None,
        temporal: Temporal | None = None,
    ) -> None:
        if not isinstance(maxsize, int | np.integer) or maxsize < 1:  # 1.5 places would never be all taken
            raise ValueError(f"maxsize must be a whole number from 1, got {maxsize!r}")
        if drop not in ("oldest", "newest", "none"):
            raise ValueError(f"drop must be 'oldest', 'newest' or 'none', got {drop!r}")
        self._upsampler, self._maxsize, self._drop, self._on_result = upsampler, maxsize, drop, on_result
        self._steady = None if temporal is None else TemporalFilter(temporal)
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._results: deque[StreamResult] = deque()
        self._closing = self._working = False
        self._error: BaseException | None = None
        self._submitted = self._finished = self._missed = self._dropped = self._failed = 0
        self._latencies: deque[float] = deque(maxlen=HISTORY)
        self._processing: deque[float] = deque(maxlen=HISTORY)
        self._ends: deque[float] = deque(maxlen=HISTORY)
        self._worker = threading.Thread(target=self._work, name="DepthStream", daemon=True)
        self._worker.start()

    def submit(self, rgb: Any, depth: Any, stamp: Any = None) -> bool:
        """Hand over one frame; returns at once unless `drop` is "none".

        The arrays are not copied: they must not be written to afterwards.

        Returns
        -------
        Whether the frame was accepted (False only with `drop="newest"`).

        Raises
        ------
        RuntimeError
            If the stream is closed.
        Exception
            What ended the worker.
        """
        with self._changed:
            if self._drop == "none":
                self._changed.wait_for(lambda: len(self._waiting) < self._maxsize or self._ended)
            self._raise_error()
            if self._ended:
                raise RuntimeError("the stream is closed")
            job = _Job(rgb, depth, stamp, self._submitted, time.perf_counter())
            self._submitted += 1
            if len(self._waiting) == self._maxsize:
                self._dropped += 1
                if self._drop == "newest":
                    return False
                self._waiting.popleft()
            self._waiting.append(job)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[StreamResult]:
        """Results in order until `close`; those not fetched in time give way to newer ones (unless `drop="none"`).

        Raises
        ------
        RuntimeError
            If the results go to `on_result`.
        Exception
            What ended the worker.
        """
        if self._on_result is not None:
            raise RuntimeError("the results of this stream go to on_result")
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._results or self._idle)
                if not self._results:
                    self._raise_error()
                    return
                result = self._results.popleft()
                self._changed.notify_all()
            yield result

    @property
    def statistics(self) -> StreamStatistics:
        """Counts, rate and latencies up to now."""
        with self._changed:
            ends = list(self._ends)
            rate = (len(ends) - 1) / (ends[-1] - ends[0]) if len(ends) > 1 and ends[-1] > ends[0] else float("nan")
            return StreamStatistics(
                self._submitted,
                self._finished,
                self._missed,
                self._dropped,
                self._failed,
                rate,
                _percentile(self._latencies, 50),
                _percentile(self._latencies, 99),
                _percentile(self._processing, 50),
            )

    def close(self, *, drain: bool = True) -> None:
        """End the stream and wait for the worker; a second call does nothing.

        Parameters
        ----------
        drain
            Work on the waiting frames first; False drops them.

        Raises
        ------
        Exception
            What ended the worker, if nobody has been told yet.
        """
        with self._changed:
            self._closing = True
            if not drain:
                self._dropped += len(self._waiting)
                self._waiting.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._worker:
            self._worker.join()
        with self._changed:
            self._raise_error()

    def __enter__(self) -> DepthStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(drain=error is None)
        except BaseException:
            if error is None:
                raise

    @property
    def _ended(self) -> bool:
        return self._closing or self._failed > 0

    @property
    def _idle(self) -> bool:
        """Nothing will come any more."""
        return self._ended and not self._waiting and not self._working

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            start = time.perf_counter()
            try:
                lr_depth = job.depth if self._steady is None else self._steady(job.depth)
                depth = self._upsampler(job.rgb, lr_depth)
                end = time.perf_counter()
                result = StreamResult(depth, job.stamp, job.sequence, end - job.since, end - start)
                if self._on_result is not None:
                    self._on_result(result)
            except BaseException as error:
                with self._changed:
                    self._error, self._failed, self._working = error, 1, False
                    self._dropped += len(self._waiting)
                    self._waiting.clear()
                    self._changed.notify_all()
                return
            with self._changed:
                if self._on_result is None:
                    self._keep(result)
                self._working = False
                self._finished += 1
                self._latencies.append(result.latency)
                self._processing.append(result.processing)
                self._ends.append(end)
                self._changed.notify_all()

    def _keep(self, result: StreamResult) -> None:
        if self._drop == "none":
            self._changed.wait_for(lambda: len(self._results) < self._maxsize or self._closing)
        elif len(self._results) == self._maxsize:
            self._results.popleft()
            self._missed += 1
        self._results.append(result)

    def _next_job(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            job = self._waiting.popleft()
            self._working = True
            self._changed.notify_all()
            return job


def _percentile(values: deque[float], percent: float) -> float:
    samples: npt.NDArray[np.float64] = np.array(values)
    return float(np.percentile(samples, percent)) if len(samples) else float("nan")
