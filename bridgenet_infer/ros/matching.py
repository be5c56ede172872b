"""Which RGB image belongs to which depth frame: by the stamps, as the messages come."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar

T = TypeVar("T")
Kind = Literal["rgb", "depth"]
QUEUE_SIZE = 10  # messages of a topic that wait for a partner
INTERVALS = 30  # the last ones of a topic, of which the shortest tells when the next message can come


class _Waiting(NamedTuple, Generic[T]):
    stamp: int
    item: T


@dataclass
class _Topic(Generic[T]):
    """Messages without a partner, oldest first, and what is known of those to come."""

    waiting: deque[_Waiting[T]] = field(default_factory=deque)
    intervals: deque[int] = field(default_factory=lambda: deque(maxlen=INTERVALS))
    latest: int | None = None
    unmatched: int = 0
    restarts: int = 0

    def take(self, stamp: int, item: T) -> None:
        """Queue a message; a stamp that jumps back ends the wait of those before."""
        if self.latest is not None and stamp < self.latest:
            self.restarts += 1
            while self.waiting:
                self.drop_oldest()
        elif self.latest is not None and stamp > self.latest:
            self.intervals.append(stamp - self.latest)
        self.latest = stamp
        self.waiting.append(_Waiting(stamp, item))

    def drop_oldest(self) -> None:
        self.waiting.popleft()
        self.unmatched += 1


class Pairing(Generic[T]):
    """Approximate-time matching of two topics, one message after the other.

    A pair is handed out as soon as no message that is expected can be nearer to either of the two. The intervals
    between the messages of a topic tell when the next one is expected, so mostly that is at once.

    When the stamps of a topic jump back, what waits on it belongs to a time that is over: it is left without a partner,
    and matching starts anew.

    Parameters
    ----------
    slop
        Seconds by which the stamps of a pair may differ, the end included.
    queue_size
        Messages of a topic that may wait for a partner; the oldest gives way. None: as many as come.
    patient
        Wait until nothing nearer can come at all: for recordings, where waiting costs nothing. Stamps must not go back.

    Attributes
    ----------
    slop, queue_size
        As given; both may be changed at any time.
    """

    def __init__(self, slop: float, queue_size: int | None = QUEUE_SIZE, *, patient: bool = False) -> None:
        self.slop, self.queue_size, self._patient = slop, queue_size, patient
        self._topics: dict[Kind, _Topic[T]] = {"rgb": _Topic(), "depth": _Topic()}

    def add(self, kind: Kind, stamp: int, item: T) -> list[tuple[T, T]]:
        """Take a message of a topic, with its stamp in nanoseconds; returns the pairs (rgb, depth) that it settles."""
        self._topics[kind].take(stamp, item)
        pairs = self._settled(self._next_stamp)
        self._tidy()
        return pairs

    def flush(self) -> list[tuple[T, T]]:
        """Pairs that still wait for something nearer: nothing more comes."""
        return self._settled(lambda topic: math.inf)

    def unmatched(self, kind: Kind) -> int:
        """Messages of a topic that were left without a partner."""
        return self._topics[kind].unmatched

    @property
    def restarts(self) -> int:
        """How often the stamps of either topic jumped back."""
        return max(topic.restarts for topic in self._topics.values())

    def _next_stamp(self, topic: _Topic[T]) -> float:
        """The earliest stamp that is expected of the next message."""
        if topic.latest is None:
            return -math.inf
        return topic.latest + (0 if self._patient else min(topic.intervals, default=math.inf))

    def _settled(self, next_stamp: Callable[[_Topic[T]], float]) -> list[tuple[T, T]]:
        """The nearest pairs first; a message whose partner is not settled keeps those beside it unsettled."""
        rgb, depth = self._topics["rgb"], self._topics["depth"]
        slop = round(self.slop * 1e9)
        candidates = sorted(
            ((abs(a.stamp - b.stamp), i, k) for i, a in enumerate(rgb.waiting) for k, b in enumerate(depth.waiting)
             if abs(a.stamp - b.stamp) <= slop)
        )  # fmt: skip
        taken: dict[int, int] = {}
        open_rgb, open_depth = set[int](), set[int]()
        for distance, i, k in candidates:
            if i in taken or k in taken.values():
                continue
            a, b = rgb.waiting[i].stamp, depth.waiting[k].stamp
            nearer = next_stamp(rgb) < b + distance or next_stamp(depth) < a + distance
            if nearer or i in open_rgb or k in open_depth:
                open_rgb.add(i)
                open_depth.add(k)
            else:
                taken[i] = k
        pairs = [(rgb.waiting[i].item, depth.waiting[k].item) for i, k in sorted(taken.items())]
        for topic, used in ((rgb, set(taken)), (depth, set(taken.values()))):
            topic.waiting = deque(each for n, each in enumerate(topic.waiting) if n not in used)
        return pairs

    def _tidy(self) -> None:
        """Leave out messages for which nothing can come any more, and those that wait behind too many others."""
        slop = round(self.slop * 1e9)
        rgb, depth = self._topics["rgb"], self._topics["depth"]
        for topic, other in ((rgb, depth), (depth, rgb)):
            # while only one topic has jumped back, the stamps of the other say nothing of its messages
            latest = other.latest if other.restarts >= topic.restarts else None
            while topic.waiting and latest is not None and topic.waiting[0].stamp + slop < latest:
                if any(abs(topic.waiting[0].stamp - each.stamp) <= slop for each in other.waiting):
                    break
                topic.drop_oldest()
            while self.queue_size is not None and len(topic.waiting) > self.queue_size:
                topic.drop_oldest()


def match_stamps(first: Sequence[int], second: Sequence[int], slop: float) -> list[tuple[int, int]]:
    """Pairs of indices whose stamps are at most `slop` apart, each index used once, the closest pairs first served.

    Parameters
    ----------
    first, second
        Nanoseconds; they need not be sorted.
    slop
        Seconds.

    Returns
    -------
    (index into `first`, index into `second`), ordered by the stamps of `first`.
    """
    pairing: Pairing[int] = Pairing(slop, None, patient=True)
    stamps: dict[Kind, Sequence[int]] = {"rgb": first, "depth": second}
    order = sorted((stamp, kind, index) for kind in stamps for index, stamp in enumerate(stamps[kind]))
    pairs = [pair for stamp, kind, index in order for pair in pairing.add(kind, stamp, index)] + pairing.flush()
    return sorted(pairs, key=lambda pair: (first[pair[0]], pair[0]))
