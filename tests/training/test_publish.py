"""Publishing: the real client against a server on 127.0.0.1, then the same pixels from there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridgenet_infer.weights import checkpoint_bytes
from testing.hub_server import HubServer, manifest_entry
from testing.tiny import tiny_model

ROOT = Path(__file__).parents[2]
REPO = "makers/guided-depth"
LOAD = """
import sys
import numpy as np
from bridgenet_infer import DepthUpsampler
arrays = np.load(sys.argv[2])
np.save(sys.argv[3], DepthUpsampler.from_pretrained(sys.argv[1], device="cpu")(arrays["rgb"], arrays["lr"]))
"""


@dataclass
class Project:
    """A copy of the source tree with two small checkpoints, and a Hub of its own."""

    root: Path
    server: HubServer

    @property
    def manifest(self) -> Path:
        return self.root / "weights_manifest.json"

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Python in the tree: HF_ENDPOINT and HF_HOME are read when the client is imported."""
        settings = {**self.server.environment(self.root.parent / "home"), "HF_TOKEN": "hf_" + 34 * "x"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, **settings, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def publish(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call("-m", "training.publish", REPO, *arguments)

    def entries(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in json.loads(self.manifest.read_text())["checkpoints"]}

    def put(self, name: str, payload: bytes) -> None:
        """A released checkpoint: file, card, entry without a pin."""
        folder = self.root / "bridgenet_infer" / "checkpoints"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.safetensors").write_bytes(payload)
        (folder / f"{name}.md").write_text(f"# {name}\n\nFor [bridgenet-infer](../../README.md).\n")
        entry = manifest_entry(payload, f"{name}.safetensors", repo_id=None, revision=None, data="none")
        others = self.entries() if self.manifest.exists() else {}
        self.manifest.write_text(json.dumps({"checkpoints": [*(others | {name: entry}).values()]}))

    def forget(self) -> None:
        """Neither bundled files nor a cache: all must come from the Hub."""
        shutil.rmtree(self.root / "bridgenet_infer" / "checkpoints")
        shutil.rmtree(self.root.parent / "home", ignore_errors=True)

    def upsample(self, weights: str) -> np.ndarray[Any, Any]:
        result = self.root.parent / "result.npy"
        done = self.call("-c", LOAD, weights, str(self.root.parent / "pair.npz"), str(result))
        assert done.returncode == 0, done.stderr
        loaded: np.ndarray[Any, Any] = np.load(result)
        return loaded


def payload(seed: int) -> bytes:
    return checkpoint_bytes(tiny_model(seed), {"lr_kernel": "none"})


@pytest.fixture
def project(tmp_path: Path, rng: np.random.Generator) -> Iterator[Project]:
    root = tmp_path / "project"
    ignore = shutil.ignore_patterns("checkpoints", "__pycache__")
    for package in ("bridgenet_infer", "training"):
        shutil.copytree(ROOT / package, root / package, ignore=ignore)
    shutil.copy(ROOT / "LICENSE", root)
    lr = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
    np.savez(tmp_path / "pair.npz", rgb=rng.integers(0, 256, (48, 64, 3), np.uint8), lr=lr)
    with HubServer() as server:
        made = Project(root, server)
        made.put("default", payload(1))
        made.put("other", payload(2))
        yield made


def test_what_was_published_gives_the_same_pixels(project: Project, tmp_path: Path) -> None:
    expected = {}
    for name in ("default", "other"):
        local = project.root / "bridgenet_infer" / "checkpoints" / f"{name}.safetensors"
        expected[name] = project.upsample(str(local))  # another number of threads may round otherwise
    assert not np.array_equal(expected["default"], expected["other"])

    done = project.publish("--yes")
    assert done.returncode == 0, done.stderr
    commit = project.server.branches[REPO, "main"]
    assert {(e["repo_id"], e["revision"]) for e in project.entries().values()} == {(REPO, commit)}
    assert {e["data"] for e in project.entries().values()} == {"none"}
    served = project.server.head(REPO)
    names = {f"{name}.{kind}" for name in ("default", "other") for kind in ("safetensors", "md")}
    assert set(served) == {*names, "README.md", "LICENSE", "weights_manifest.json"}
    assert served["README.md"].startswith(b"---\nlicense: apache-2.0\n")
    assert b"(README.md)" in served["default.md"]
    assert b"revision" not in served["weights_manifest.json"]

    project.forget()
    assert np.array_equal(project.upsample("other"), expected["other"])  # by its pin
    project.manifest.write_text('{"checkpoints": []}')  # an installation that knows nothing of the repository
    assert np.array_equal(project.upsample(REPO), expected["default"])
    assert np.array_equal(project.upsample(f"{REPO}/other"), expected["other"])
    failed = project.call("-c", LOAD, f"{REPO}/third", str(tmp_path / "pair.npz"), str(tmp_path / "no.npy"))
    assert "has no 'third', it has ['default', 'other']" in failed.stderr


def test_a_dry_run_lists_and_does_nothing(project: Project) -> None:
    before = project.manifest.read_bytes()
    done = project.publish()
    assert done.returncode == 0, done.stderr
    assert "default.safetensors" in done.stdout
    assert "7 files for makers/guided-depth: nothing uploaded" in done.stdout
    assert project.server.requests == []
    assert project.manifest.read_bytes() == before


def test_a_rerun_changes_nothing_and_a_new_file_gets_a_new_pin(project: Project) -> None:
    assert project.publish("--yes").returncode == 0
    first = project.server.branches[REPO, "main"]
    done = project.publish("--yes")
    assert "nothing new" in done.stdout, done.stderr
    assert project.server.branches[REPO, "main"] == first
    project.put("other", payload(3))
    assert project.publish("--yes").returncode == 0
    second = project.server.branches[REPO, "main"]
    assert second != first
    assert {name: e["revision"] for name, e in project.entries().items()} == {"default": first, "other": second}
    uploads = [path for method, path in project.server.requests if method == "PUT"]
    assert len(uploads) == 3


def test_a_refusal_and_damage_leave_the_manifest_alone(project: Project) -> None:
    before = project.manifest.read_bytes()
    project.server.refuse = 403
    done = project.publish("--yes")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot publish to {REPO} at {project.server.url}")
    project.server.refuse = None
    project.server.damage = True
    done = project.publish("--yes")
    assert done.returncode == 1
    assert "serves a wrong" in done.stderr
    assert project.manifest.read_bytes() == before


def test_one_checkpoint_alone(project: Project) -> None:
    assert project.publish("--only", "nothing").returncode == 2
    assert project.publish("--only", "other", "--yes").returncode == 0
    assert {name: e["repo_id"] for name, e in project.entries().items()} == {"default": None, "other": REPO}
    (entry,) = json.loads(project.server.head(REPO)["weights_manifest.json"])["checkpoints"]
    assert entry["name"] == "other"
    (project.root / "bridgenet_infer" / "checkpoints" / "default.safetensors").write_bytes(b"something else")
    done = project.publish("--yes")
    assert done.returncode == 1
    assert "default.safetensors is damaged" in done.stderr
