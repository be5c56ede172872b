"""Whether depth lies on its image, judged from many frames of a running node."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..alignment import check_alignment, summarise_warnings

FRAMES = 10  # that the judgement looks at
PERIOD = 1.0  # seconds between two of them, or more:
SHARE = 0.02  # of the time of one core may go into the checks, whatever the machine


class AlignmentWatch:
    """Checks a frame now and then, and warns once if more than half of the last ten give strong evidence.

    Parameters
    ----------
    warn
        Called with one sentence.
    clock
        Seconds.

    Attributes
    ----------
    warning
        What the last ten frames say; "" for fewer frames, or weak evidence.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn, self._clock = warn, clock
        self.restart()

    def restart(self) -> None:
        """Forget all frames, and warn again: depth comes to lie elsewhere."""
        self.warning = ""
        self._found: deque[str] = deque(maxlen=FRAMES)
        self._due, self._told = self._clock(), False

    def look(self, rgb: Any, depth: Any) -> None:
        """Check a frame if it is time: RGB and depth as for `check_alignment`, between two frames' work."""
        if self._clock() < self._due:
            return
        start = time.thread_time()
        self._found.append(check_alignment(rgb, depth).warning)
        self._due = self._clock() + max(PERIOD, (time.thread_time() - start) / SHARE)
        self.warning = summarise_warnings(list(self._found)) if len(self._found) == FRAMES else ""
        if self.warning and not self._told:
            self._told = True
            self._warn(self.warning)
