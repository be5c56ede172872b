"""What the ROS 1 and ROS 2 nodes do, without ROS: messages in, fields of messages out."""

from __future__ import annotations

import copy
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bridgenet_infer.arrays import Array

from ..stream import DepthStream, StreamResult
from ..temporal import TemporalFilter
from .alignment import Alignment
from .diagnostics import LARGE_SHARE, WINDOW, Recent, Report, Stages
from .matching import Kind, Pairing
from .messages import image_fields, stamp_of
from .parameters import PLACING, NodeParameters, Upsample
from .points import Clouds
from .watch import AlignmentWatch

SILENCE = 2.0  # seconds without a pair after which somebody should be told
KINDS: tuple[Kind, Kind] = ("rgb", "depth")
WARNED = 100  # kinds of bad frames that are told apart


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


class PointsTopic(NamedTuple):
    """Where point clouds go.

    Attributes
    ----------
    wanted
        Whether anybody waits for them; nothing is computed otherwise.
    publish
        Called on the worker thread with the fields of a PointCloud2 (see `Clouds`), the stamp and the frame_id.
    """

    wanted: Callable[[], bool]
    publish: Callable[[dict[str, Any], Any, str], None]


class _Source(NamedTuple):
    """Of a result: what its messages say of where and when it is."""

    stamp: Any
    frame_id: str


class _Worked(NamedTuple):
    colours: Array
    samples: Array
    depth: Array
    registration: float
    upsampling: float


class DepthNode:
    """The core of a node: pairs messages, up-samples the last pair on a worker, hands over what is to be published.

    Parameters
    ----------
    upsample
        (rgb, depth) -> depth, with the scale and whether holes are filled.
    publish
        Called with every `DepthOutput` on the worker thread.
    warn
        Called with a line of text when something needs attention.
    parameters
        Between 16UC1 and 32FC1, millimetres are metres times 1000, and holes 0 or NaN (REP 118).
    alignment
        Says whether and how depth is registered to RGB first; by default it lies there if its frame_id is RGB's.
    wanted
        Whether anybody waits for results; asked once a pair if the parameter `lazy` is set.
    points
        Of clouds, in the RGB camera's frame; None: there are none.
    clock
        Seconds, for warnings and diagnostics.
    """

    def __init__(
        self,
        upsample: Upsample,
        publish: Callable[[DepthOutput], None],
        warn: Callable[[str], None],
        *,
        parameters: NodeParameters | None = None,
        alignment: Alignment | None = None,
        wanted: Callable[[], bool] = lambda: True,
        points: PointsTopic | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upsample, self._publish, self._warn = upsample, publish, warn
        self._wanted, self._points, self._clock = wanted, points, clock
        self._clouds, self._watch = Clouds(), AlignmentWatch(warn, clock)
        self._alignment = alignment or Alignment()
        self._parameters = parameters or NodeParameters()
        self._lock = threading.Lock()
        self._pairing: Pairing[Any] = Pairing(self._parameters.slop, self._parameters.queue_size)
        self._last_pair = self._last_warning = clock()
        self._seen = dict.fromkeys(KINDS, 0)
        self._counts: Counter[str] = Counter()
        self._idle = self._closed = False
        self._warned: set[str] = set()
        self._failure, self._failed_at = "", -math.inf
        self._recent = Recent(clock)
        self._steady: TemporalFilter | None = None
        self._stream = DepthStream(self._work, on_result=self._deliver)

    def configure(self, parameters: NodeParameters) -> None:
        """Take other parameters, from the next message on."""
        with self._lock:
            if any(getattr(parameters, name) != getattr(self._parameters, name) for name in PLACING):
                self._watch.restart()
            self._parameters = parameters
            self._pairing.slop = parameters.slop
            alignment = self._alignment
            alignment.scale, alignment.registered = parameters.scale, parameters.registered
            alignment.extrinsics, alignment.invalid = parameters.pose, parameters.marker

    def on_camera_info(self, kind: Kind, message: Any) -> None:
        """Keep the latest CameraInfo of "rgb" or "depth"."""
        self._alignment.infos[kind] = message

    def on_static_transforms(self, message: Any) -> None:
        """Take a message of /tf_static."""
        if self._alignment.transforms is not None:
            self._alignment.transforms.add(message)

    def on_lost(self, kind: Kind, count: int) -> None:
        """Count messages of "rgb" or "depth" that the middleware lost on the way."""
        with self._lock:
            self._counts[f"{kind} lost"] += count

    def on_image(self, kind: Kind, message: Any) -> None:
        """Take a message of "rgb" or "depth"; returns at once.

        Raises
        ------
        Exception
            What ended the worker.
        """
        with self._lock:
            self._counts[f"{kind} received"] += 1
            self._seen[kind] += 1
            for rgb, depth in self._pairing.add(kind, stamp_of(message), message):
                self._last_pair, self._seen = self._clock(), dict.fromkeys(KINDS, 0)
                self._counts["pairs received"] += 1
                self._idle = self._parameters.lazy and not (self._wanted() or self._points_wanted())
                if self._idle:
                    self._counts["not asked for"] += 1
                else:
                    self._stream.submit(rgb, depth, _Source(depth.header.stamp, rgb.header.frame_id))

    def check(self) -> None:
        """Warn of silence, every two seconds; to be called about once a second."""
        silence, now = self._silence(), self._clock()
        if silence and now - self._last_warning >= SILENCE:
            self._last_warning = now
            self._warn(silence)

    def report(self) -> Report:
        """Counts and latencies, and what is wrong; to be called about once a second.

        rgb and depth received = unmatched + waiting + pairs received. pairs received = not asked for + dropped +
        failed + published, and the frames that wait or are worked on.
        """
        counts = self._count()
        recent = self._recent.growth(counts)
        submitted = recent["pairs received"] - recent["not asked for"]
        complaint = self._silence() or (self._failure if self._clock() - self._failed_at < SILENCE else "")
        if not complaint and recent["dropped"] > LARGE_SHARE * submitted:
            complaint = (
                f"{recent['dropped']} of {submitted} pairs dropped within {WINDOW:.0f} s: they come faster than they "
                "can be up-sampled"
            )
        complaint = complaint or self._watch.warning
        values = {name: str(count) for name, count in counts.items()}
        values |= {"rate (Hz)": f"{self._recent.rate():.1f}", **self._recent.latencies()}
        return Report(bool(complaint), complaint or ("idle: nobody subscribes" if self._idle else "running"), values)

    def close(self) -> None:
        """Finish the frame that is being worked on, which is published no more, and end the worker."""
        self._closed = True
        self._stream.close(drain=False)

    def _points_wanted(self) -> bool:
        return self._points is not None and self._points.wanted()

    def _count(self) -> dict[str, int]:
        with self._lock:
            statistics = self._stream.statistics
            known, pairing = self._counts, self._pairing
            counts = {f"{kind} {what}": known[f"{kind} {what}"] for what in ("received", "lost") for kind in KINDS}
            for kind in KINDS:
                unmatched = pairing.unmatched(kind)
                counts[f"{kind} unmatched"] = unmatched
                counts[f"{kind} waiting"] = counts[f"{kind} received"] - unmatched - known["pairs received"]
            counts["jumps back in time"] = pairing.restarts
            counts |= {name: known[name] for name in ("pairs received", "not asked for")}
            return counts | {"dropped": statistics.dropped, "failed": known["failed"], "published": known["published"]}

    def _silence(self) -> str:
        """Why there has been no pair for two seconds; empty if there was one."""
        seconds = self._clock() - self._last_pair
        if seconds < SILENCE:
            return ""
        rgb, depth = self._seen["rgb"], self._seen["depth"]
        if rgb and depth:
            reason = "their stamps are farther apart than the slop, or the clocks differ"
        elif rgb or depth:
            reason = f"nothing comes on the {'depth' if rgb else 'rgb'} topic"
        else:
            reason = "nothing comes on either topic"
        return f"no pair for {seconds:.0f} s ({rgb} rgb and {depth} depth messages): {reason}"

    def _work(self, rgb: Any, depth: Any) -> _Worked | None:
        """None where the frame cannot be up-sampled: one bad frame must not end a robot's node."""
        parameters, start = self._parameters, time.perf_counter()
        try:
            colours, samples = self._alignment(rgb, depth)
            if (settings := parameters.steadying) is None:
                self._steady = None
            else:
                if self._steady is None or self._steady.settings != settings:
                    self._steady = TemporalFilter(settings)
                samples = self._steady(samples)
            registered = time.perf_counter()
            result = self._upsample(colours, samples, scale=parameters.scale, fill_holes=parameters.fill_holes)
            array = convert(np.asarray(result), parameters.encoding)
            return _Worked(colours, samples, array, registered - start, time.perf_counter() - registered)
        except (ValueError, MemoryError) as error:
            self._counts["failed"] += 1
            self._failure, self._failed_at = f"frame left out: {error}", self._clock()
            self._warn_once(self._failure)
            return None

    def _warn_once(self, text: str) -> None:
        """Of each kind: what is wrong with one frame is mostly wrong with all, but for the numbers."""
        kind = re.sub(r"[\d.]+", "#", text)
        if kind not in self._warned and len(self._warned) < WARNED:
            self._warned.add(kind)
            self._warn(text)

    def _deliver(self, result: StreamResult) -> None:
        if result.depth is None or self._closed:
            return
        start, worked = time.perf_counter(), result.depth
        info = copy.deepcopy(self._alignment.infos.get("rgb"))
        self._publish(DepthOutput(image_fields(worked.depth), result.stamp.stamp, result.stamp.frame_id, info))
        self._counts["published"] += 1
        waiting, publishing = result.latency - result.processing, time.perf_counter() - start
        self._recent.publish(Stages(waiting, worked.registration, worked.upsampling, publishing))
        if self._points is not None and self._points_wanted():
            self._deliver_points(worked, result.stamp, self._points)
        self._watch.look(worked.colours, worked.samples)

    def _deliver_points(self, worked: _Worked, source: _Source, topic: PointsTopic) -> None:
        try:
            camera = self._alignment.rgb_camera(worked.depth.shape)
        except ValueError as error:
            self._warn_once(f"no points: {error}")
            return
        topic.publish(self._clouds.fields(worked.depth, worked.colours, *camera), source.stamp, source.frame_id)


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
