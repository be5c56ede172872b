"""Put the checkpoints on the Hugging Face Hub: `python -m training.publish OWNER/NAME [--only default ...] [--yes]`.

Without --yes it says what would be uploaded and does nothing. All files go up in one commit, so that nobody meets a
manifest beside other checkpoints than its own; what the Hub then serves is downloaded and compared, and only after
that the commit is written into the manifest here. A rerun uploads what has changed. Who may write is for the client:
HF_TOKEN, or `hf auth login`.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from bridgenet_infer.files import write_atomically
from bridgenet_infer.weights.hub import fetch, first_cause
from bridgenet_infer.weights.manifest import (
    CHECKPOINT_FOLDER,
    DEFAULT_WEIGHTS,
    MANIFEST,
    ManifestEntry,
    manifest_path,
    read_manifest,
)

LICENCES = ("LICENSE", "WEIGHTS_LICENSE.md")
HERE_ONLY = ("repo_id", "revision")  # a commit cannot name itself

PAGE = """---
license: apache-2.0
pipeline_tag: depth-estimation
tags:
- depth-super-resolution
- guided-upsampling
- rgb-d
---

# {title}

Guided depth super-resolution: an RGB image and its low-resolution depth in, sharp metric depth out. Weights for
bridgenet-infer, an implementation of BridgeNet (Tang et al., ACM MM 2021) trained from scratch.

```python
from bridgenet_infer import DepthUpsampler

upsampler = DepthUpsampler.from_pretrained("{weights}")
depth = upsampler(rgb, lr_depth)
```

{choice}| checkpoint | scales | bytes | sha256 |
|---|---|---|---|
{rows}

Size and sha256 are checked on every load. Each card says what its checkpoint was trained on.
"""


def collect(repo_id: str, names: list[str]) -> dict[str, bytes]:
    """The content of a repository, by file name: checkpoints and cards, their manifest, front page, licence.

    Raises
    ------
    OSError
        If a checkpoint or card is missing, or a checkpoint differs from the manifest.
    """
    entries = read_manifest()
    files: dict[str, bytes] = {}
    for name in names:
        entry = entries[name]
        files[entry.file] = entry.read(CHECKPOINT_FOLDER / entry.file)
        card = Path(entry.file).with_suffix(".md").name
        # there the front page is the README
        files[card] = (
            (CHECKPOINT_FOLDER / card).read_text(encoding="utf-8").replace("../../README.md", "README.md").encode()
        )
    chosen = [raw for raw in _read_raw()["checkpoints"] if raw["name"] in names]
    files[MANIFEST] = _as_json({"checkpoints": [{k: v for k, v in r.items() if k not in HERE_ONLY} for r in chosen]})
    files["README.md"] = _front_page(repo_id, [entries[name] for name in names]).encode()
    for licence in LICENCES:
        if (path := manifest_path().parent / licence).is_file():
            files[licence] = path.read_bytes()
    return files


def upload(repo_id: str, files: dict[str, bytes], private: bool) -> str:
    """Make the repository if there is none, put the files there in one commit, and return that commit's hash.

    Raises
    ------
    OSError
        If the Hub does not answer or refuses.
    """
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # small files; and the plain protocol is what is tested
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
    api = HfApi(library_name="bridgenet-infer")
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        # not upload_folder, which may cut the files into several commits
        commit = api.create_commit(repo_id, operations, commit_message="Checkpoints of bridgenet-infer")
    except Exception as error:  # its own classes and the HTTP client's: all mean the same here
        raise OSError(f"cannot publish to {repo_id} at {api.endpoint}: {first_cause(error)}") from error
    return str(commit.oid)


def compare(repo_id: str, commit: str, names: list[str]) -> None:
    """Download the checkpoints of a commit, and raise OSError if they are not those of the manifest here."""
    for name in names:
        entry = read_manifest()[name]
        fetch(repo_id, entry.file, commit, entry.read)


def pin(repo_id: str, commit: str, names: list[str]) -> list[str]:
    """Write repository and commit into the manifest here; those pinned there before keep their commit.

    Returns
    -------
    The names that were not pinned to this repository before: `training.release` takes the pin off new files.
    """
    raw = _read_raw()
    new = [entry for entry in raw["checkpoints"] if entry["name"] in names and entry.get("repo_id") != repo_id]
    for entry in new:
        entry.update(repo_id=repo_id, revision=commit)
    write_atomically(manifest_path(), _as_json(raw))
    return [entry["name"] for entry in new]


def _read_raw() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(manifest_path().read_text(encoding="utf-8"))
    return raw


def _as_json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _front_page(repo_id: str, entries: list[ManifestEntry]) -> str:
    rows = [
        f"| [{e.name}]({Path(e.file).stem}.md) | {e.scales[0]:g} to {e.scales[1]:g} | {e.size:,} | `{e.sha256}` |"
        for e in entries
    ]
    names = [entry.name for entry in entries]
    default = names[0] if len(names) == 1 else DEFAULT_WEIGHTS
    weights = repo_id if default in names else f"{repo_id}/{names[0]}"
    choice = f"`{repo_id}/{names[-1]}` and so on: any of them.\n\n" if len(names) > 1 else ""
    return PAGE.format(title=repo_id.partition("/")[2], weights=weights, choice=choice, rows="\n".join(rows))


def main() -> int:
    """Command line of the publication."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repo_id", metavar="OWNER/NAME")
    parser.add_argument("--only", nargs="+", metavar="CHECKPOINT", help="instead of all of the manifest")
    parser.add_argument("--private", action="store_true", help="if the repository is made now")
    parser.add_argument("--yes", action="store_true", help="really upload")
    arguments = parser.parse_args()
    repo_id, known = arguments.repo_id, list(read_manifest())
    names = arguments.only or known
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"the manifest has no {', '.join(unknown)}, it has {', '.join(known)}")
    if repo_id.count("/") != 1:
        parser.error(f"a repository is OWNER/NAME, got {repo_id!r}")
    try:
        files = collect(repo_id, names)
        for name, content in sorted(files.items()):
            print(f"{name:<28} {len(content):>12,} bytes  sha256 {hashlib.sha256(content).hexdigest()[:16]}")
        if not arguments.yes:
            print(f"{len(files)} files for {repo_id}: nothing uploaded, --yes does it")
            return 0
        commit = upload(repo_id, files, arguments.private)
        compare(repo_id, commit, names)
        pinned = pin(repo_id, commit, names)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{repo_id} at {commit}; pinned in {MANIFEST}: {', '.join(pinned) or 'nothing new'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
