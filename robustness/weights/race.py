"""Load weights that no cache has in several threads of several processes at once. As a command: one process."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridgenet_infer import DepthUpsampler
from testing import ROOT
from testing.hub_server import HubServer

PROCESSES, THREADS = 2, 8
REPO, COMMIT = "makers/race", "c" * 40


@dataclass
class Race:
    """The outcome of a race: its loads, their outputs, and their downloads.

    Attributes
    ----------
    loaded, outputs
        Loads that succeeded, and different outputs among them.
    errors, warnings
        What the others said.
    cached, intact
        Checkpoints in the cache, and how many of them are whole.
    downloads
        Of the checkpoint.
    """

    starts: int
    loaded: int
    outputs: int
    errors: list[str]
    warnings: list[str]
    cached: int
    intact: int
    downloads: int

    @property
    def passed(self) -> bool:
        """All loaded the same from one good file."""
        return (self.loaded, self.outputs, self.cached, self.intact) == (self.starts, 1, 1, 1) and not self.warnings

    def in_words(self) -> str:
        """One line, and the errors and warnings."""
        return "\n".join([
            f"{PROCESSES} processes of {THREADS} threads on an empty cache: {self.loaded} of {self.starts} loaded, "
            f"{self.outputs} different output(s), {self.cached} file(s) in the cache, {self.intact} intact, "
            f"{self.downloads} download(s)",
            *self.errors, *self.warnings,
        ])  # fmt: skip


def race(home: Path, server: HubServer, payload: bytes) -> Race:
    """Start them at the same time on an empty cache in `home`."""
    server.publish(REPO, COMMIT, "race.safetensors", payload)
    before = len(server.downloads())
    processes = [start(home, server, REPO, THREADS) for _ in range(PROCESSES)]
    reports = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    outputs = [digest for report in reports for digest in report["outputs"]]
    folder = home / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
    cached = [path for path in folder.iterdir() if path.stat().st_size > len(payload) // 2]
    return Race(
        starts=PROCESSES * THREADS,
        loaded=len(outputs),
        outputs=len(set(outputs)),
        errors=[error for report in reports for error in report["errors"]],
        warnings=[text for report in reports for text in report["warnings"]],
        cached=len(cached),
        intact=sum(path.read_bytes() == payload for path in cached),
        downloads=sum(path.endswith("race.safetensors") for path in server.downloads()[before:]),
    )


def start(home: Path, server: HubServer, weights: str, threads: int) -> subprocess.Popen[str]:
    """A process that loads weights in several threads at once; prints a report as JSON."""
    return subprocess.Popen(
        [sys.executable, "-m", "robustness.weights.race", weights, str(threads)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "0", **server.environment(home)},
        stdout=subprocess.PIPE,
        text=True,
    )


def main() -> None:
    """Load in several threads at once, and up-sample with each."""
    weights, threads = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(0)
    rgb, lr_depth = rng.integers(0, 256, (48, 64, 3), np.uint8), rng.integers(500, 4000, (6, 8)).astype(np.uint16)
    together, errors = threading.Barrier(threads), list[str]()

    def load(_: int) -> str | None:
        together.wait()
        try:
            upsampler = DepthUpsampler.from_pretrained(weights, device="cpu")
        except (OSError, ValueError) as error:
            errors.append(str(error))
            return None
        return hashlib.sha256(np.asarray(upsampler(rgb, lr_depth)).tobytes()).hexdigest()

    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("always")
        outputs = [digest for digest in pool.map(load, range(threads)) if digest]
    print(json.dumps({"outputs": outputs, "errors": errors, "warnings": [str(w.message) for w in caught]}))


if __name__ == "__main__":
    main()
