"""Reading files that somebody else may have put there."""

from __future__ import annotations

from pathlib import Path


def read_regular(path: Path) -> bytes:
    """A file's content.

    Raises
    ------
    OSError
        If it is missing, cannot be read or is no regular file: a pipe would block, a device might never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a regular file")
    return path.read_bytes()
