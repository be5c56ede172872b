"""The report of a run, in words and as JSON."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..scans import LeftOut
from .process import Job, Outcome


def in_words(job: Job, outcomes: Sequence[Outcome], left_out: Sequence[LeftOut]) -> str:
    """One line for one pair, nothing if it failed; for folders the files that were left out, and the counts."""
    if not job.many:
        return "\n".join(_one_line(job, outcome) for outcome in outcomes if outcome.status == "written")
    counts = Counter(outcome.status for outcome in outcomes)
    total = f"{counts['written']} written, {counts['skipped']} finished before, {counts['failed']} failed"
    rest = f", {sum(len(each.names) for each in left_out)} left out" if left_out else ""
    return "\n".join([*(f"left out: {each}" for each in left_out), total + rest])


def has_failed(outcomes: Sequence[Outcome], left_out: Sequence[LeftOut]) -> bool:
    """Whether a pair failed, or several files claim to be one."""
    return any(o.status == "failed" for o in outcomes) or any(each.is_ambiguous for each in left_out)


def errors(outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each pair that failed; it names a file of the pair."""
    failed = [(o.pair, o.reason) for o in outcomes if o.status == "failed"]
    return [
        reason if str(pair.rgb) in reason or str(pair.depth) in reason else f"{pair.depth}: {reason}"
        for pair, reason in failed
    ]


def misalignment(outcomes: Sequence[Outcome]) -> str:
    """A warning if most of the written pairs show depth that is off its image; "" otherwise."""
    from ..alignment import summarise_warnings  # which imports torch

    found = [outcome.figures["misalignment"] for outcome in outcomes if "misalignment" in outcome.figures]
    return summarise_warnings(found) if any(found) else ""


def as_document(job: Job, outcomes: Sequence[Outcome], left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """Everything, for programs; "network" is null if nothing was run here: on Ray each row has its worker's."""
    network = job.loaded
    return {
        "version": __version__,
        "network": network
        and {
            "weights": network.name,
            "sha256": network.sha256,
            "device": str(network.device),
            "precision": str(network.dtype).removeprefix("torch."),
        },
        "counts": {kind: sum(o.status == kind for o in outcomes) for kind in ("written", "skipped", "failed")},
        "results": [_as_row(outcome) for outcome in outcomes],
        "left_out": list(map(str, left_out)),
    }


def _one_line(job: Job, outcome: Outcome) -> str:
    f, network = outcome.figures, job.upsampler()
    kind = f"{f['dtype']} {f['unit']}" if "unit" in f else f["dtype"]
    holes = f"{f['holes']:.0%} holes, " if f["holes"] else ""
    return (
        f"{outcome.pair.output}: {f['width']} x {f['height']}, {kind}, x{f['scale']:g}, {holes}"
        f"weights {network.name}, {f['seconds']:.1f} s on {network.device}"
    )


def _as_row(outcome: Outcome) -> dict[str, Any]:
    pair = outcome.pair
    paths: dict[str, Path | None] = {
        "rgb": pair.rgb,
        "depth": pair.depth,
        "output": pair.output,
        "camera": pair.camera,
        "preview": pair.preview,
        "expected_error": pair.error,
    }
    row: dict[str, Any] = {name: str(path) for name, path in paths.items() if path is not None}
    return row | {"status": outcome.status, **({"reason": outcome.reason} if outcome.reason else {}), **outcome.figures}
