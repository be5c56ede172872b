"""Print and write the results of a campaign of generated inputs."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.report import text_table, write_json
from testing.isolated import Limits, Outcome

EVERY = 500


def report(
    outcomes: Iterable[Outcome], name: str, seed: int, limits: Limits, out: Path, place: Callable[[int], str] = str
) -> int:
    """Print progress, faults and a table of groups, write the JSON; returns 1 if there were faults.

    Parameters
    ----------
    place
        What `--only` takes to repeat the check of an index.
    """
    done: list[Outcome] = []
    for outcome in outcomes:
        done.append(outcome)
        if outcome.verdict.fault:
            print(f"fault at {place(outcome.index)}: {last_line(outcome.verdict.fault)}", flush=True)
        elif len(done) % EVERY == 0:
            print(f"{len(done)} done", flush=True)
    summary = summarise(done, place)
    results = sorted({outcome.verdict.result for outcome in done})
    rows = [
        [group, *(str(counts.get(result, 0)) for result in results), str(counts["faults"])]
        for group, counts in summary["groups"].items()
    ]
    print(text_table(["group", *results, "faults"], rows))
    totals = {key: value for key, value in summary.items() if key not in ("groups", "faults")}
    print(", ".join(f"{key}: {value}" for key, value in totals.items()))
    print(f"limits of one: {limits.seconds:g} s, {limits.memory:g} MiB")
    write_json(
        out / f"{name}.json", {"seed": seed, "limits": vars(limits), "python": platform.python_version(), **summary}
    )
    return 1 if summary["faults"] else 0


def summarise(outcomes: list[Outcome], place: Callable[[int], str]) -> dict[str, Any]:
    """Counts by group, the slowest and the largest, and every fault in full."""
    groups: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        counts = groups.setdefault(outcome.verdict.group or "(fault)", Counter())
        counts[outcome.verdict.result] += 1
        counts["faults"] += bool(outcome.verdict.fault)
    slowest, largest = (max(outcomes, key=lambda o: getattr(o, field)) for field in ("seconds", "peak"))
    settled = [outcome.resident for outcome in outcomes if outcome.resident][len(outcomes) // 10 :]
    return {
        "inputs": len(outcomes),
        "slowest s": round(slowest.seconds, 2),
        "slowest": place(slowest.index),
        "largest MiB": round(largest.peak, 1),
        "largest": place(largest.index),
        # after the first tenth, in which libraries and weights are loaded
        "resident growth MiB": round(settled[-1] - settled[0], 1) if settled else 0.0,
        "groups": {group: dict(counts) for group, counts in sorted(groups.items())},
        "faults": [{"place": place(o.index), "fault": o.verdict.fault} for o in outcomes if o.verdict.fault],
    }


def last_line(text: str) -> str:
    """Of a traceback: the error itself."""
    return text.strip().splitlines()[-1][:200]
