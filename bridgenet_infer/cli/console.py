"""The console of the commands: letters that it lacks, warnings of one line, and negative numbers."""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal


@contextmanager
def plain_console(say: Callable[[str], None]) -> Iterator[None]:
    """Escape letters that the console lacks, and `say` warnings as one line each, without the source around them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
        yield


def plain_numbers(arguments: Sequence[str] | None) -> list[str]:
    """A command line, by default the process's; argparse takes numbers like -3.4e+38 for options, others not."""
    given = sys.argv[1:] if arguments is None else arguments
    return [f"{Decimal(word):f}" if re.fullmatch(r"-\d*\.?\d+[eE][+-]?\d{1,3}", word) else word for word in given]
