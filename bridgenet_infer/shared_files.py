"""Files that lie beside the package in a source tree, and under share/ once a wheel is installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path, PurePath


def find_shared_file(name: str, beside: Path) -> Path:
    """A file of a source tree or editable install, else of the installed wheel.

    Parameters
    ----------
    name
        Relative path, as it ends in both places.
    beside
        Root of the source tree, if it is one.

    Raises
    ------
    OSError
        If neither is there.
    """
    if (beside / name).is_file():
        return beside / name
    try:
        files = metadata.files("bridgenet-infer") or []
    except metadata.PackageNotFoundError:
        files = []
    parts = PurePath(name).parts
    for file in files:
        if file.parts[-len(parts) :] == parts and (path := Path(str(file.locate()))).is_file():
            return path
    raise FileNotFoundError(f"{name} found neither in {beside} nor in the installed distribution")
