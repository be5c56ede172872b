"""The manifest of checkpoints, which gives the size and the sha256 of each."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import find_shared_file, read_regular

MANIFEST = "weights_manifest.json"
DEFAULT_WEIGHTS = "default"
PACKAGE_FOLDER = Path(__file__).parents[1]
CHECKPOINT_FOLDER = PACKAGE_FOLDER / "checkpoints"  # bundled files

WORD = r"[\w-][\w.-]*"
FIELDS = {"name": (str,), "file": (str,), "sha256": (str,), "size": (int,),
          "repo_id": (str, type(None)), "revision": (str, type(None))}  # fmt: skip


@dataclass(frozen=True)
class ManifestEntry:
    """One checkpoint.

    Attributes
    ----------
    name
        What users call it.
    file
        Name of the .safetensors file, bundled or in the Hub repository.
    sha256, size
        Of the file, in hexadecimal and bytes.
    scales
        Least and largest scale it was trained for.
    repo_id, revision
        Hub repository ("owner/name") and commit (40 hexadecimal digits) that hold the file; None until published.

    Raises
    ------
    ValueError
        If a field cannot be what it should be.
    """

    name: str
    file: str
    sha256: str
    size: int
    scales: tuple[float, float]
    repo_id: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        for name, kinds in FIELDS.items():
            if type(getattr(self, name)) not in kinds:
                raise ValueError(f"{self.name}: {name} must not be {getattr(self, name)!r}")
        low, high = self.scales
        if {type(low), type(high)} - {int, float} or not 0 < low <= high < math.inf:
            raise ValueError(f"{self.name}: scales must be two numbers, least and largest, got {self.scales}")
        if not re.fullmatch(WORD, self.name):
            raise ValueError(f"name must be a word, got {self.name!r}")
        if not re.fullmatch(rf"{WORD}\.safetensors", self.file):  # a plain name: no folder to escape to
            raise ValueError(f"{self.name}: file must be a plain .safetensors name, got {self.file!r}")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256) or self.size <= 0:
            raise ValueError(f"{self.name}: needs a sha256 and a positive size, got {self.sha256!r}, {self.size}")
        if not 0 < self.scales[0] <= self.scales[1] < math.inf:
            raise ValueError(f"{self.name}: scales must be positive and ordered, got {self.scales}")
        if (self.repo_id is None) != (self.revision is None):
            raise ValueError(f"{self.name}: repo_id and revision belong together")
        if self.repo_id is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repo_id):
            raise ValueError(f"{self.name}: repo_id must be owner/name, got {self.repo_id!r}")
        if self.revision is not None and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise ValueError(f"{self.name}: revision must be a full commit hash, got {self.revision!r}")

    @property
    def bundled_path(self) -> Path:
        """Where the file lies if this installation has it."""
        return CHECKPOINT_FOLDER / self.file

    def read(self, path: Path) -> bytes:
        """A file's content, compared with size and sha256.

        Raises
        ------
        OSError
            If the file cannot be read or differs.
        """
        data = read_regular(path)
        digest = hashlib.sha256(data).hexdigest()
        if (digest, len(data)) != (self.sha256, self.size):
            raise OSError(
                f"{path} is damaged: sha256 {digest}, {len(data)} bytes; "
                f"the manifest has {self.sha256}, {self.size} bytes"
            )
        return data


def manifest_path() -> Path:
    """weights_manifest.json of a source tree or editable install, else of the installed wheel.

    Raises
    ------
    OSError
        If neither is there.
    """
    return find_shared_file(MANIFEST, PACKAGE_FOLDER.parent)


def read_manifest(path: Path | None = None) -> dict[str, ManifestEntry]:
    """Entries by name, of this installation or of another manifest file.

    Raises
    ------
    OSError
        If the file is missing or no manifest.
    """
    path = path or manifest_path()
    try:
        entries = [_read_entry(raw) for raw in json.loads(read_regular(path))["checkpoints"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise OSError(f"{path} is not a readable weights manifest: {error!r}") from error
    return {entry.name: entry for entry in entries}


def _read_entry(raw: dict[str, Any]) -> ManifestEntry:
    """The fields that loading needs; a manifest tells more (data, licence, training, metrics)."""
    low, high = raw["scales"]
    return ManifestEntry(
        name=raw["name"],
        file=raw["file"],
        sha256=raw["sha256"],
        size=raw["size"],
        scales=(low, high),
        repo_id=raw.get("repo_id"),
        revision=raw.get("revision"),
    )
