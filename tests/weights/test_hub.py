"""Weights from the Hub: the real client against a server on 127.0.0.1, in processes of their own."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridgenet_infer.files import STALE_SECONDS
from bridgenet_infer.weights.hub import first_cause
from robustness.weights.race import race
from testing.hub_server import HubServer, manifest_entry

REPO = "makers/tiny-depth"
OLD, NEW = "a" * 40, "b" * 40

# HF_ENDPOINT and HF_HOME are read when the client is imported: every load is a process, as it is for a user
LOAD = """
import json, sys, time, warnings
from pathlib import Path
from bridgenet_infer.weights import load_weights, manifest
manifest.PACKAGE_FOLDER, manifest.CHECKPOINT_FOLDER = Path(sys.argv[1]), Path(sys.argv[1])
slept, rest = [], time.sleep
time.sleep = lambda seconds: slept.append(seconds) or rest(seconds)
import huggingface_hub
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        loaded = load_weights(sys.argv[2], sys.argv[3] or None)
        outcome = {"name": loaded.name, "sha256": loaded.sha256}
    except (OSError, ValueError) as error:
        outcome = {"error": f"{type(error).__name__}: {error}"}
outcome |= {"slept": sum(slept), "warnings": [str(w.message) for w in caught]}
print(json.dumps(outcome))
"""


@dataclass
class Hub:
    """The server, the user's cache, and an installation whose manifest names weights that are not bundled."""

    server: HubServer
    home: Path
    package: Path
    payload: bytes

    def start(self, weights: str = "tiny", revision: str = "", **environment: str) -> subprocess.Popen[str]:
        patience = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
        return subprocess.Popen(
            [sys.executable, "-c", LOAD, str(self.package), weights, revision],
            env={**os.environ, **self.server.environment(self.home), **patience, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def load(self, weights: str = "tiny", revision: str = "", **environment: str) -> dict[str, Any]:
        return finish(self.start(weights, revision, **environment))

    def blobs(self) -> list[Path]:
        return [path for path in self.home.rglob("blobs/*") if path.suffix != ".incomplete"]

    def manifest(self, payload: bytes, **more: Any) -> bytes:
        return json.dumps({"checkpoints": [manifest_entry(payload, "t.safetensors", name="tiny", **more)]}).encode()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    outcome: dict[str, Any] = json.loads(out)
    return outcome


@pytest.fixture
def hub(tmp_path: Path, tiny_checkpoint: Path) -> Iterator[Hub]:
    payload = tiny_checkpoint.read_bytes()
    package = tmp_path / "installed" / "package"
    package.mkdir(parents=True)
    with HubServer() as server:
        made = Hub(server, tmp_path / "home", package, payload)
        (package.parent / "weights_manifest.json").write_bytes(made.manifest(payload, repo_id=REPO, revision=OLD))
        server.files[REPO, OLD, "t.safetensors"] = payload
        yield made


def test_download_then_cache_without_network(hub: Hub) -> None:
    first = hub.load()
    assert first["sha256"] == hashlib.sha256(hub.payload).hexdigest()
    assert hub.server.downloads() == [f"/{REPO}/resolve/{OLD}/t.safetensors"]
    hub.server.requests.clear()
    assert hub.load()["sha256"] == first["sha256"]
    assert hub.load(HF_HUB_OFFLINE="1")["sha256"] == first["sha256"]
    assert hub.server.requests == []


def test_bundled_weights_touch_neither_network_nor_cache(hub: Hub) -> None:
    (hub.package / "t.safetensors").write_bytes(hub.payload)
    assert hub.load()["name"] == "tiny"
    assert hub.server.requests == []
    assert not hub.home.exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_cache_heals_itself(hub: Hub, damage: str) -> None:
    hub.load()
    (blob,) = hub.blobs()
    payload = bytearray(hub.payload)
    payload[len(payload) // 2] ^= 1
    blob.write_bytes(hub.payload[:1000] if damage == "truncated" else bytes(payload))
    offline = hub.load(HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in offline["error"]
    healed = hub.load()
    assert healed["name"] == "tiny"
    assert "damaged" in healed["warnings"][0]
    assert blob.read_bytes() == hub.payload
    assert len(hub.server.downloads()) == 2


def test_another_file_than_the_manifest_says_is_refused(hub: Hub) -> None:
    hub.server.files[REPO, OLD, "t.safetensors"] = hub.payload[:-1] + bytes([hub.payload[-1] ^ 1])
    for _ in range(2):  # the second time from the cache, then once more from the server
        outcome = hub.load()
        assert outcome["error"].startswith("OSError")
        assert "serves a wrong t.safetensors" in outcome["error"]
    assert len(hub.server.downloads()) == 2


def test_offline_without_cache(hub: Hub) -> None:
    outcome = hub.load(HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE forbids" in outcome["error"]
    assert hub.server.requests == []


def test_a_refused_endpoint_answers_at_once(hub: Hub) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    outcome = hub.load(HF_ENDPOINT=url)
    assert f"cannot download t.safetensors of {REPO} at revision {OLD} from {url}" in outcome["error"]
    assert "refused" in outcome["error"]
    assert outcome["slept"] < 10  # the client's own retries take 23 s


@pytest.mark.parametrize(("stall", "bound"), [("head", 10), ("body", 45)])
def test_a_stalled_endpoint_is_given_up(hub: Hub, stall: str, bound: float) -> None:
    hub.server.stall = stall
    outcome = hub.load(HF_HUB_ETAG_TIMEOUT="1", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert "cannot download" in outcome["error"]
    assert "imeout" in outcome["error"]
    assert outcome["slept"] + len(hub.server.requests) * 1 < bound  # not by the clock: the machine may be busy
    hub.server.stall = None
    assert hub.load()["name"] == "tiny"  # nothing half-written is taken for the file


def test_a_connection_that_breaks_leaves_nothing_usable_behind(hub: Hub) -> None:
    hub.server.short = True
    assert "cannot download" in hub.load()["error"]
    hub.server.short = False
    assert hub.load()["name"] == "tiny"


def test_repository_by_id_and_revision(hub: Hub) -> None:
    other = "someone/else"
    changed = hub.payload + b" "
    for repo, commit, payload in ((other, OLD, hub.payload), (other, NEW, hub.payload), (REPO, NEW, hub.payload)):
        hub.server.files[repo, commit, "t.safetensors"] = payload
        hub.server.files[repo, commit, "weights_manifest.json"] = hub.manifest(payload)
    hub.server.branches[other, "main"] = NEW
    assert hub.load(other)["name"] == "tiny"
    assert hub.server.downloads()[-1] == f"/{other}/resolve/{NEW}/t.safetensors"  # the commit, not the branch
    assert hub.load(other, OLD)["name"] == "tiny"
    assert hub.server.downloads()[-1] == f"/{other}/resolve/{OLD}/t.safetensors"
    # our manifest pins this one; another revision is taken by its own manifest
    assert hub.load(REPO)["name"] == "tiny"
    assert hub.server.downloads()[-1] == f"/{REPO}/resolve/{OLD}/t.safetensors"
    assert hub.load("tiny", NEW)["name"] == "tiny"
    assert hub.server.downloads()[-1] == f"/{REPO}/resolve/{NEW}/t.safetensors"
    hub.server.files[other, "c" * 40, "weights_manifest.json"] = hub.manifest(hub.payload)
    hub.server.files[other, "c" * 40, "t.safetensors"] = changed
    assert "serves a wrong" in hub.load(other, "c" * 40)["error"]
    refused = hub.load("no/where")["error"]
    assert "404" in refused
    assert f"of no/where from {hub.server.url}" in refused  # without a revision


def test_a_repository_of_several_checkpoints(hub: Hub) -> None:
    repo, names = "makers/family", ("default", "other")
    entries = [manifest_entry(hub.payload, f"{name}.safetensors") for name in names]
    hub.server.files[repo, NEW, "weights_manifest.json"] = json.dumps({"checkpoints": entries}).encode()
    for name in names:
        hub.server.files[repo, NEW, f"{name}.safetensors"] = hub.payload
    hub.server.branches[repo, "main"] = NEW
    assert hub.load(f"{repo}/other")["name"] == "other"
    assert hub.load(repo)["name"] == "default"
    assert f"{repo} has no 'third', it has ['default', 'other']" in hub.load(f"{repo}/third")["error"]
    hub.server.files[repo, OLD, "weights_manifest.json"] = json.dumps({"checkpoints": []}).encode()
    assert f"name one: {repo}/NAME" in hub.load(repo, OLD)["error"]


def test_the_first_cause_is_told_in_one_line() -> None:
    error = RuntimeError("advice of the client")
    error.__cause__ = OSError("\nrefused\nand more\nlines")
    assert first_cause(error) == "OSError: refused"
    assert first_cause(ValueError("alone")) == "ValueError: alone"


def test_an_old_unfinished_download_is_removed(hub: Hub) -> None:
    hub.load()
    (blob,) = hub.blobs()
    old, new = (blob.with_name(f"{blob.name}.{name}.incomplete") for name in ("old", "new"))
    for path, age in ((old, STALE_SECONDS + 5), (new, 0)):
        path.write_bytes(b"")
        os.utime(path, (time.time() - age,) * 2)
    assert hub.load()["name"] == "tiny"
    assert (old.exists(), new.exists()) == (False, True)


def test_two_processes_with_eight_threads_each_at_once(hub: Hub) -> None:
    together = race(hub.home, hub.server, hub.payload)
    assert together.passed, together.in_words()
    assert (together.starts, together.downloads) == (16, 1)
