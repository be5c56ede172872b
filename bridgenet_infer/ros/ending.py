"""How a node ends: quietly by a signal, in whatever phase, or by an error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 3.0  # seconds for the frame in work; roslaunch and ros2 launch kill after five or more


class Ending:
    """SIGINT and SIGTERM, from the moment this is made, as a wish to end that any thread may also utter.

    Until `defer` is called there is nothing to clean up, and a signal ends the process at once, with code 0.
    """

    def __init__(self) -> None:
        self._wish = threading.Event()
        self._error: BaseException | None = None
        self._deferred = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def defer(self) -> None:
        """From now on signals only wake `wait`: there is something to clean up."""
        self._deferred = True

    def wish(self) -> None:
        """Wake `wait`, now and for ever."""
        self._wish.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the wish to end; returns whether there is one."""
        return self._wish.wait(seconds)

    def guard(self, callback: Callable[P, Any]) -> Callable[P, None]:
        """A callback whose error ends the node: a client library would only log it, or end another thread."""

        def guarded(*args: P.args, **options: P.kwargs) -> None:
            try:
                callback(*args, **options)
            except Exception as error:
                self._error = self._error or error
                self.wish()

        return guarded

    def await_result(self, work: Callable[[], T]) -> T | None:
        """Do something that takes long on another thread; None if the wish to end comes before the result.

        Raises
        ------
        BaseException
            What `work` raises.
        """
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)
            done.set()

        threading.Thread(target=run, name="loading", daemon=True).start()
        while not done.wait(0.05):
            if self._wish.is_set():
                return None
        if errors:
            raise errors[0]
        return results[0]

    def close(self, close: Callable[[], None]) -> None:
        """Call `close` on another thread, and wait for it as long as a launch system would."""
        thread = threading.Thread(target=self.guard(close), name="closing", daemon=True)
        thread.start()
        thread.join(PATIENCE)

    def end(self) -> None:
        """Raise what ended the node; leave the process at once where threads go on that nothing can stop."""
        if self._error is not None:
            raise self._error
        if any(thread.name in ("loading", "closing") for thread in threading.enumerate()):
            leave()

    def _on_signal(self, number: int, frame: Any) -> None:
        if not self._deferred:
            leave()
        self.wish()


def leave() -> None:
    """End the process with code 0, without waiting for threads."""
    with suppress(RuntimeError, OSError):  # a signal may come in the middle of writing
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
