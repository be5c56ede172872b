"""Load checkpoints and manifests that are damaged, foreign or no files: `python -m robustness weights --flips 500`.

Each case is one load. It must give the weights that were asked for, to the bit, or a one-line OSError or ValueError
that names the file and says more than that; within a few seconds and a few gigabytes. At the end two processes with
eight threads each start on one empty Hub cache, against a stand-in server. Linux only.
"""

import os
import resource
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer.weights import load_weights, manifest
from robustness.weights.cases import Case, Place, edited_manifests, exchanged, flipped, foreign, no_files, truncated
from robustness.weights.race import race, start
from testing.hub_server import HubServer

CACHED, COMMIT = "makers/cached", "b" * 40
HANG = 20  # seconds
ROOM = 2**31  # bytes that one load may take
LOADED, REFUSED, WRONG, NAMELESS, CRASHED, HUNG = (
    "loaded, right", "refused", "loaded, wrong", "refused without a name", "another error", "hung",
)  # fmt: skip
GOOD, BAD = (LOADED, REFUSED), (WRONG, NAMELESS, CRASHED, HUNG)
HEADER = ("what", "cases", *GOOD, *BAD)


@dataclass
class Tally:
    """Outcomes of one group of cases, and the bad ones in words."""

    group: str
    outcomes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """A row of the table."""
        return [self.group, str(self.outcomes.total()), *(str(self.outcomes[kind]) for kind in (*GOOD, *BAD))]

    def add(self, case: Case) -> None:
        """Try a case."""
        outcome, said = attempt(case)
        if (outcome == LOADED) != case.loads and outcome in GOOD:
            outcome = WRONG if outcome == LOADED else CRASHED
        self.outcomes[outcome] += 1
        if outcome in BAD:
            self.complaints.append(f"{case.what}: {outcome}: {said}")


def attempt(case: Case) -> tuple[str, str]:
    """The outcome of one load, and its message."""
    try:
        with bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = load_weights(case.weights)
    except TimeoutError as error:
        return HUNG, repr(error)
    except (OSError, ValueError) as error:
        said = str(error)
        return (REFUSED if explains(said, case.names) else NAMELESS), said
    except Exception as error:
        return CRASHED, repr(error)
    return (LOADED if same(loaded.model.state_dict(), case.expected) else WRONG), ""


def explains(said: str, names: Sequence[str]) -> bool:
    """Whether a message is one line, names the file and has some words beside."""
    return "\n" not in said and any(name in said and len(said) > len(name) + 10 for name in names)


def same(state: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Whether two graphs are equal to the bit."""
    return state.keys() == expected.keys() and all(torch.equal(state[name], expected[name]) for name in state)


@contextmanager
def bounded() -> Iterator[None]:
    """TimeoutError after `HANG` seconds, MemoryError beyond `ROOM`."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"no answer within {HANG} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, old[1]))
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, old)


def groups(base: Path, server: HubServer, flips: int, seed: int) -> Iterator[tuple[str, Iterator[Case]]]:
    """All cases by kind of fault; bundled weights are a copy from here on."""
    shutil.copytree(manifest.CHECKPOINT_FOLDER, base / "bundled")
    manifest.CHECKPOINT_FOLDER = base / "bundled"
    expected = load_weights("default").model.state_dict()
    bundled = Place(base / "bundled" / "default.safetensors", "default", expected)
    hub = Place(download(base / "home", server, bundled.file.read_bytes()), CACHED, expected)
    yield "bit flips, bundled", flipped(bundled, flips, seed)
    yield "bit flips, Hub cache", flipped(hub, flips, seed + 1)
    yield "files exchanged", exchanged(base / "bundled")
    yield "cut short", truncated(bundled, flips // 10, seed + 2)
    yield "foreign, by path", foreign(base / "foreign")
    yield "no regular file", no_files(base / "odd", bundled)
    yield "manifest edited", edited_manifests(base / "edited", seed + 3)


def download(home: Path, server: HubServer, payload: bytes) -> Path:
    """Put a checkpoint into the Hub cache as a user's process does; returns its path there."""
    server.publish(CACHED, COMMIT, "cached.safetensors", payload)
    start(home, server, CACHED, 1).communicate(timeout=300)
    return next(home.glob(f"hub/*/snapshots/{COMMIT}/cached.safetensors"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if wrong weights were loaded, or a refusal did not name the file and the reason."""
    parser = command_line(__doc__, "robustness")
    parser.add_argument("--flips", type=int, default=500, help="bits flipped in each of two places (500)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="robustness-") as name, HubServer() as server:
        folder = Path(name)
        # before the Hub's client is imported, which reads them once
        os.environ |= {"HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
        for group, cases in groups(folder, server, options.flips, options.seed):
            tallies.append(Tally(group))
            for case in cases:
                tallies[-1].add(case)
            print("  ".join(tallies[-1].cells()), *tallies[-1].complaints, sep="\n", flush=True)
        together = race(folder / "empty", server, (folder / "bundled" / "default.safetensors").read_bytes())
    print(text_table(HEADER, [tally.cells() for tally in tallies]), together.in_words(), sep="\n\n")
    document = [{"group": t.group, "outcomes": dict(t.outcomes), "complaints": t.complaints} for t in tallies]
    write_json(options.out / "weights.json", {"seed": options.seed, "loads": document, "race": vars(together)})
    return 0 if together.passed and not any(tally.complaints for tally in tallies) else 1
