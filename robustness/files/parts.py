"""Inputs of several files, one of which is damaged while the others stay good."""

from collections.abc import Callable
from pathlib import Path

Contents = dict[str, bytes]  # by path, relative to the folder
MakeGood = Callable[[int], Contents]  # by the number of a variant


def read_folder(folder: Path) -> Contents:
    """All files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def make_part(good: MakeGood, variants: int, name: str, seed: int) -> bytes:
    """The file that is to be damaged."""
    return good(seed % variants)[name]


def put_rest(good: MakeGood, variants: int, folder: Path, seed: int) -> None:
    """All of them, below a folder."""
    for name, content in good(seed % variants).items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content)
