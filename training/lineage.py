"""The lineage of weights: the stages of the runs that made them."""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """One link of a checkpoint's lineage: steps `first` to `last` of a configuration, the last `decay` falling.

    Attributes
    ----------
    start
        `weights_sha256` of what it began with. Without one it began with random weights, or it is the link before
        that goes on, with rates that fall.
    error_head
        Whether `training.expected_error` trained the head for the expected error, and nothing else.
    seconds
        Spent on it; None where it was not kept, as of what follows.
    scenes
        `pool.scenes_sha256` of the real scenes that it saw last.
    code
        `current_commit` when it was trained last.
    threads
        That torch computed with last. With another number sums are rounded otherwise; a hundred steps later losses are
        one per cent apart.
    """

    config: str
    seed: int
    first: int
    last: int
    decay: int = 0
    start: str | None = None
    error_head: bool = False
    seconds: float | None = field(default=None, compare=False)
    scenes: str | None = field(default=None, compare=False)
    code: str | None = field(default=None, compare=False)
    threads: int | None = field(default=None, compare=False)


Lineage = tuple[Stage, ...]


def run_of(lineage: Sequence[Stage]) -> Lineage:
    """The same for two lineages whose last links are one run, left at different steps."""
    return (*lineage[:-1], replace(lineage[-1], last=0))


def total_seconds(lineages: Iterable[Sequence[Stage]]) -> tuple[float, bool]:
    """Seconds spent on several lineages, what they share once; and whether those of every stage are known."""
    spent: dict[Lineage, float] = {}
    known = True
    for lineage in lineages:
        for index, stage in enumerate(lineage):
            run = run_of(lineage[: index + 1])
            known = known and stage.seconds is not None
            spent[run] = max(spent.get(run, 0.0), stage.seconds or 0.0)
    return sum(spent.values()), known


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Of names, dtypes, shapes and values, in the order of the names: the same wherever the tensors lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def current_commit() -> str | None:
    """The commit of this source tree, "-dirty" behind it if files differ; None if git does not know it."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        described = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
