"""Delete files of visitors after an hour, and earlier if there are many."""

import os
import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 3600  # uploads and results
KEPT_BYTES = 2 * 2**30


def tidy(folder: Path) -> None:
    """Remove files below `folder` older than an hour, and the oldest ones while all are more than 2 GiB.

    Empty folders of that age go too. Gradio's own cleaning leaves parts of uploads that broke off, and ends for good if
    a file comes while it looks.
    """
    kept, oldest = 0, time.time() - KEPT_SECONDS
    for changed, size, path in sorted(_files(folder), reverse=True):
        kept += size
        if changed < oldest or kept > KEPT_BYTES:
            path.unlink(missing_ok=True)
    for place in folder.iterdir():
        with suppress(OSError):  # a file, not empty, or gone
            if place.stat().st_mtime < oldest:
                place.rmdir()


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """(Seconds of the last change, bytes, path) of all files; those that vanish meanwhile are left out."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                status = (path := Path(place, name)).lstat()
                found.append((status.st_mtime, status.st_size, path))
    return found
