"""Turn the name, path or repository that a user gives into a verified graph."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..backends.per_scale import Network
from ..files import read_regular
from .checkpoint import Scales, parse_checkpoint
from .hub import fetch
from .manifest import DEFAULT_WEIGHTS, MANIFEST, WORD, ManifestEntry, read_manifest


@dataclass(frozen=True)
class Checkpoint:
    """A network in memory, or one for each of several scales, and what its file says of it.

    Attributes
    ----------
    scales
        Least and largest scale that it was trained for, None if that is not known.
    name, sha256
        Of the file; both are empty for a network that comes from none.
    """

    model: Network
    scales: Scales | None = None
    name: str = ""
    sha256: str = ""


def available_weights() -> dict[str, Scales]:
    """Names of the checkpoints that this installation knows, with the least and the largest scale of each.

    Raises
    ------
    OSError
        If the manifest is missing or damaged.
    """
    return {name: entry.scales for name, entry in read_manifest().items()}


def load_weights(weights: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Load a checkpoint; bundled and cached ones never touch the network.

    Parameters
    ----------
    weights
        Name in the manifest; .safetensors file; folder with exactly one (a manifest beside it is obeyed); or Hub
        repository "owner/name" that holds a manifest. If that lists several checkpoints, "owner/name" is the
        default one and "owner/name/checkpoint" any. What our manifest has of a repository is taken at the commit
        pinned there.
    revision
        Another commit, tag or branch of a Hub repository; a branch is cached as it was when first downloaded.

    Raises
    ------
    ValueError
        If it is no name, no existing path and no repository, or a revision of something that has none.
    OSError
        If the file is missing, unreadable, damaged, cannot be downloaded, or differs from its manifest.
    ImportError
        If it is a network for OpenVINO, which is not installed.
    """
    entries = read_manifest()
    entry = entries.get(weights) if isinstance(weights, str) else None
    if entry is None and Path(weights).exists():
        if revision is not None:
            raise ValueError(f"{str(weights)!r} is a path: it has no revision {revision!r}")
        return _load_path(Path(weights))
    if entry is None:
        repo_id, name = _split_repository(weights, list(entries))
        entry = _choose([e for e in entries.values() if e.repo_id == repo_id], name)
        if entry is None or revision not in (None, entry.revision):
            return _load_repository(repo_id, name, revision)
    elif revision not in (None, entry.revision):
        if entry.repo_id is None:
            raise ValueError(f"{entry.name!r} is bundled and not on the Hub: it has no revision {revision!r}")
        return _load_repository(entry.repo_id, entry.name, revision)
    return load_entry(entry)


def load_entry(entry: ManifestEntry) -> Checkpoint:
    """Load the checkpoint of a manifest entry: the bundled file, else the Hub's at its pinned commit."""
    if entry.bundled_path.is_file() or entry.repo_id is None:
        return _verified(entry, entry.bundled_path)
    return fetch(entry.repo_id, entry.file, entry.revision, lambda path: _verified(entry, path))


def _verified(entry: ManifestEntry, path: Path) -> Checkpoint:
    data = entry.read(path)  # once: what is verified is what is loaded
    return Checkpoint(*parse_checkpoint(data, path), entry.name, entry.sha256)


def _load_path(path: Path) -> Checkpoint:
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            raise OSError(f"{path} must hold exactly one .safetensors file, it has {len(found)}")
        path = found[0]
    manifest = path.parent / MANIFEST
    entries = read_manifest(manifest) if os.path.lexists(manifest) else {}
    entry = next((e for e in entries.values() if e.file == path.name), None)
    if entry is not None:
        return _verified(entry, path)
    data = read_regular(path)
    return Checkpoint(*parse_checkpoint(data, path), path.stem, hashlib.sha256(data).hexdigest())


def _load_repository(repo_id: str, name: str | None, revision: str | None) -> Checkpoint:
    """A repository that our manifest does not pin: its own manifest says what its file must be."""
    commit, entries = fetch(repo_id, MANIFEST, revision, lambda path: (path.parent.name, read_manifest(path)))
    entry = _choose(list(entries.values()), name)
    if entry is None:
        wanted = repr(name) if name else f"{DEFAULT_WEIGHTS!r} and not one alone (name one: {repo_id}/NAME)"
        raise OSError(f"{MANIFEST} of {repo_id} has no {wanted}, it has {sorted(entries)}")
    return fetch(repo_id, entry.file, commit, lambda path: _verified(entry, path))


def _choose(entries: list[ManifestEntry], name: str | None) -> ManifestEntry | None:
    """The named checkpoint of a repository; without a name the only one, else the default."""
    if name is None and len(entries) == 1:
        return entries[0]
    return next((entry for entry in entries if entry.name == (name or DEFAULT_WEIGHTS)), None)


def _split_repository(weights: str | os.PathLike[str], names: list[str]) -> tuple[str, str | None]:
    """From "owner/name" or "owner/name/checkpoint" to repository and checkpoint."""
    found = re.fullmatch(rf"({WORD}/{WORD})(?:/({WORD}))?", weights) if isinstance(weights, str) else None
    if found is None:
        raise ValueError(
            f"weights {os.fspath(weights)!r} is neither a known name ({', '.join(names)}) nor an existing path nor a "
            "Hub repository (owner/name)"
        )
    return found[1], found[2]
