"""What the ROS 1 and ROS 2 nodes do, without ROS: pairs of messages in, fields of messages out."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..stream import DepthStream, StreamResult
from .alignment import Alignment
from .messages import image_fields

Array = npt.NDArray[Any]
SILENCE = 2.0  # seconds without a pair after which somebody should be told
PARTNERS = 10  # messages a queue of the shells keeps: halves of pairs, results on their way out


@dataclass(frozen=True)
class DepthOutput:
    """One up-sampled frame, to be published.

    Attributes
    ----------
    fields
        Of sensor_msgs/Image, all but the header.
    stamp
        Of the LR depth, untouched.
    frame_id
        Of the RGB image: up-sampled depth lives in its frame.
    camera_info
        A copy of the RGB camera's latest CameraInfo, None if there was none; its header is still its own.
    """

    fields: dict[str, Any]
    stamp: Any
    frame_id: str
    camera_info: Any


class DepthNode:
    """The core of a node: keeps the last pair, up-samples it on a worker, hands over what is to be published.

    Parameters
    ----------
    upsample
        (rgb, depth) -> depth.
    publish
        Called with every `DepthOutput` on the worker thread.
    warn
        Called with a line of text when something needs attention.
    alignment
        Says whether and how depth is registered to RGB first; by default it lies there if its frame_id is RGB's.
    encoding
        "16UC1" or "32FC1" for the output; by default the input's. Between them millimetres are metres times 1000, and
        holes 0 or NaN (REP 118).
    clock
        Seconds, for the warnings.
    """

    def __init__(
        self,
        upsample: Callable[[Array, Array], Any],
        publish: Callable[[DepthOutput], None],
        warn: Callable[[str], None],
        *,
        alignment: Alignment | None = None,
        encoding: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if encoding not in (None, "16UC1", "32FC1"):
            raise ValueError(f"encoding must be '16UC1' or '32FC1', got {encoding!r}")
        self._upsample, self._publish, self._warn = upsample, publish, warn
        self._encoding, self._clock = encoding, clock
        self._alignment = alignment or Alignment()
        self._lock = threading.Lock()
        self._last_pair = self._last_warning = clock()
        self._seen = {"rgb": 0, "depth": 0}
        self._failures = 0
        self._failure, self._failed_at = "", -math.inf
        self._stream = DepthStream(self._work, on_result=self._deliver)

    def on_camera_info(self, kind: str, message: Any) -> None:
        """Keep the latest CameraInfo of "rgb" or "depth"."""
        self._alignment.infos[kind] = message

    def on_static_transforms(self, message: Any) -> None:
        """Take a message of /tf_static."""
        self._alignment.transforms.add(message)

    def on_message(self, kind: str) -> None:
        """Count a message of "rgb" or "depth", paired or not."""
        with self._lock:
            self._seen[kind] += 1

    def on_pair(self, rgb: Any, depth: Any) -> None:
        """Take a pair of messages with stamps that match; returns at once."""
        self._last_pair = self._clock()
        with self._lock:
            self._seen = dict.fromkeys(self._seen, 0)
        self._stream.submit(rgb, depth, (depth.header.stamp, rgb.header.frame_id))

    def check(self) -> None:
        """Warn of what `complaint` says, every two seconds; to be called about once a second."""
        complaint, now = self.complaint(), self._clock()
        if complaint and now - self._last_warning >= SILENCE:
            self._last_warning = now
            self._warn(complaint)

    def complaint(self) -> str:
        """Why there has been no pair for two seconds, or why a frame was left out since; empty if all is well."""
        seconds = self._clock() - self._last_pair
        if seconds < SILENCE:
            return self._failure if self._clock() - self._failed_at < SILENCE else ""
        rgb, depth = self._seen["rgb"], self._seen["depth"]
        if rgb and depth:
            reason = "their stamps are farther apart than the slop, or the clocks differ"
        elif rgb or depth:
            reason = f"nothing comes on the {'depth' if rgb else 'rgb'} topic"
        else:
            reason = "nothing comes on either topic"
        return f"no pair for {seconds:.0f} s ({rgb} rgb and {depth} depth messages): {reason}"

    def diagnostics(self) -> dict[str, str]:
        """Counts and latencies as text, for diagnostic_msgs/DiagnosticStatus."""
        statistics = self._stream.statistics
        return {
            "pairs received": str(statistics.submitted),
            "published": str(statistics.finished - self._failures),
            "dropped": str(statistics.dropped),
            "failed": str(self._failures),
            "rate (Hz)": _rounded(statistics.rate, 1),
            "latency p50 (ms)": _rounded(1000 * statistics.latency_p50, 1),
            "latency p99 (ms)": _rounded(1000 * statistics.latency_p99, 1),
            "up-sampling p50 (ms)": _rounded(1000 * statistics.processing_p50, 1),
        }

    def close(self) -> None:
        """Finish the frame that is being worked on and end the worker."""
        self._stream.close(drain=False)

    def _work(self, rgb: Any, depth: Any) -> Array | None:
        """None where the frame cannot be up-sampled: one bad frame must not end a robot's node."""
        try:
            result: Array = np.asarray(self._upsample(*self._alignment(rgb, depth)))
            return convert(result, self._encoding)
        except ValueError as error:
            self._failures += 1
            before, now = (self._failure, self._failed_at), self._clock()
            self._failure = f"frame left out: {error}"
            # what is wrong with one frame is mostly wrong with all: `check` repeats it every two seconds
            if self._failure != before[0] or now - before[1] >= SILENCE:
                self._warn(self._failure)
            self._failed_at = now
            return None

    def _deliver(self, result: StreamResult) -> None:
        if result.depth is not None:
            stamp, frame_id = result.stamp
            info = copy.deepcopy(self._alignment.infos.get("rgb"))
            self._publish(DepthOutput(image_fields(result.depth), stamp, frame_id, info))


def convert(depth: Array, encoding: str | None) -> Array:
    """Depth in the dtype of an encoding: uint16 millimetres with holes as 0, float32 metres with holes as NaN."""
    if encoding == "16UC1" and depth.dtype.kind == "f":
        valid = np.isfinite(depth) & (depth > 0)
        millimetres = np.where(valid, depth, 0).astype(np.float64) * 1000
        return np.where(valid, np.clip(np.floor(millimetres + 0.5), 1, 65535), 0).astype(np.uint16)
    if encoding == "32FC1" and depth.dtype.kind in "ui":
        metres: Array = np.where(depth > 0, depth / np.float32(1000), np.float32(np.nan)).astype(np.float32)
        return metres
    return depth


def _rounded(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
