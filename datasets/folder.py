"""Find the folder of the real data."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """The folder that the environment variable BRIDGENET_DATA names, else ../shared/data beside the repository.

    It need not exist: training goes on without real data.
    """
    return Path(os.environ.get("BRIDGENET_DATA") or REPOSITORY.parent / "shared" / "data").resolve()


def existing_data_folder() -> Path:
    """`data_folder`, which must be there.

    Raises
    ------
    FileNotFoundError
        If it is not a folder.
    """
    folder = data_folder()
    if not folder.is_dir():
        raise FileNotFoundError(f"no real data at {folder}: set BRIDGENET_DATA to the folder with train/, val/, eval/")
    return folder
