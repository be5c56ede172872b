"""How a node ends: quietly by a signal, in whatever phase, or by an error."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from select import select
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 3.0  # seconds for the frame in work; roslaunch and ros2 launch kill after five or more


class Ending:
    """SIGINT and SIGTERM, from the moment this is made, as a wish to end that any thread may also utter.

    Until `defer` is called there is nothing to clean up, and a signal ends the process at once, with code 0.
    """

    def __init__(self) -> None:
        self._wished = False
        # a pipe, not an Event: another thread may receive the signal, which then wakes no lock that this one waits for
        self._news, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        self._error: BaseException | None = None
        self._deferred = False
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def defer(self) -> None:
        """From now on signals only wake `wait`: there is something to clean up."""
        self._deferred = True

    def wish(self) -> None:
        """Wake `wait`, now and for ever."""
        self._wished = True
        self._wake()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the wish to end, on one thread; returns whether there is one."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._wished:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self._await_news(left)
        return self._wished

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

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)
            self._wake()

        threading.Thread(target=run, name="loading", daemon=True).start()
        while not (results or errors or self._wished):
            self._await_news(None)
        if errors:
            raise errors[0]
        return None if self._wished else results[0]

    def close(self, close: Callable[[], None]) -> None:
        """Call `close` on another thread, and wait for it as long as a launch system would."""
        thread = threading.Thread(target=self.guard(close), name="closing", daemon=True)
        thread.start()
        thread.join(PATIENCE)

    def end(self) -> None:
        """Raise what ended the node; leave the process at once where threads go on that nothing can stop.

        Further signals do nothing: while Python shuts down, its own handlers would kill the process.
        """
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self._error is not None:
            raise self._error
        if any(thread.name in ("loading", "closing") for thread in threading.enumerate()):
            leave()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full of news
            os.write(self._tell, b"0")

    def _await_news(self, seconds: float | None) -> None:
        """Wait once; Python calls the handlers of signals, which are news too, before this returns."""
        if not self._wished and select([self._news], [], [], seconds)[0]:
            os.read(self._news, 4096)

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
