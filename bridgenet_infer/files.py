"""Read regular files only, write files in one step, and find files in a folder, beside the package or in its wheel."""

import os
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from importlib import metadata
from pathlib import Path, PurePath

PART = ".part"
STALE_SECONDS = 600  # a write takes seconds: what is older was left by a kill


def read_regular(path: Path, most: int | None = None) -> bytes:
    """A file's content.

    Raises
    ------
    OSError
        If it is missing, cannot be read, has more than `most` bytes or is no regular file: a pipe would block, a device
        might never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a regular file")
    if most is None:
        return path.read_bytes()
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"{path} has more than {most} bytes")
    return content


def by_stem(folder: Path, suffixes: tuple[str, ...]) -> defaultdict[str, list[Path]]:
    """Files of a folder that have one of the suffixes, by stem; hidden ones are none.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir():
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file():
            found[path.stem].append(path)
    return found


def write_atomically(path: Path, payload: bytes) -> None:
    """Put `payload` at `path` in one step: a crash leaves the old file or none, never a part.

    Raises
    ------
    OSError
        If it cannot be written; names `path`, and nothing is left behind.
    """
    try:
        _replace(path, payload)
    except OSError as error:  # of a full disk it does not say where, else it names the unfinished file
        error.filename, error.filename2 = os.fspath(path), None
        raise


def _replace(path: Path, payload: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path, pattern: str = ".*" + PART) -> None:
    """Delete unfinished files that killed runs left in a folder."""
    for partial in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another run has just finished it
            if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                partial.unlink()


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
