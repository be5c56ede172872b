"""Results of the runs: one file benchmarks/results/NAME.json for each."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.tables.runs import RUNS
from bridgenet_infer.files import write_atomically

Result = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "results"
DIGITS = 8  # significant ones that are kept
FAST = ("avx2", "avx512f", "avx512_vnni", "amx_int8")  # what matters of the instructions


def load(name: str) -> Result:
    """The result of a run; FileNotFoundError if it was never made."""
    result: Result = json.loads((FOLDER / f"{name}.json").read_text())
    return result


def older(name: str) -> tuple[str, ...]:
    """Weights of a run whose result is missing, or was measured with a file that is not the manifest's."""
    path = FOLDER / f"{name}.json"
    measured = load(name)["sha256"] if path.exists() else {}
    current = manifest()
    return tuple(each for each in RUNS[name].weights if measured.get(each) != current.get(each, measured.get(each)))


def is_due(name: str) -> bool:
    """Whether a run must be made (again)."""
    return not (FOLDER / f"{name}.json").exists() or bool(older(name))


def state(name: str) -> str:
    """In words: "missing", "with an earlier ...", "transcribed" (from a document, by hand) or "current"."""
    if not (FOLDER / f"{name}.json").exists():
        return "missing"
    if older(name):
        return f"with an earlier {', '.join(older(name))}"
    return "transcribed" if load(name).get("transcribed") else "current"


def make(name: str, again: bool = False) -> None:
    """Make a run, or the part of it that is due, and put its figures into its result.

    Raises
    ------
    CalledProcessError
        If a command fails.
    ValueError
        If it did not write one JSON file, and no more.
    """
    run = RUNS[name]
    whole = again or run.timed or _is_of_others(name)
    weights = run.weights if whole else older(name)
    with tempfile.TemporaryDirectory() as folder:
        for arguments in run.before:
            _run(f"python {arguments}".replace("FOLDER", folder))
        if run.draws:
            _run(run.command().replace("FOLDER", folder))
            content: Result = {"sha256": {each: manifest()[each] for each in run.weights}, "files": hashes(name)}
        else:
            _run(f"{run.command(weights)} --out {folder}")
            (written,) = Path(folder).glob("*.json")
            content = json.loads(written.read_text())
    save(name, content if whole else merge(load(name), content))


def _is_of_others(name: str) -> bool:
    """Whether there is no result to add to, or one of weights that the run no longer names."""
    return not (FOLDER / f"{name}.json").exists() or not set(load(name)["sha256"]) <= set(RUNS[name].weights)


def save(name: str, content: Mapping[str, Any]) -> None:
    """Write a result with its command and the machine that it was measured on."""
    measured = {"command": RUNS[name].command(), "machine": machine(), "sha256": {}}
    text = json.dumps(rounded({**measured, **content}), indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda row: re.sub(r"\s+", " ", row[0]), text)  # a row of figures in one line
    FOLDER.mkdir(exist_ok=True)
    write_atomically(FOLDER / f"{name}.json", (text + "\n").encode())


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> Result:
    """`new` over `old`, level by level: entries that only `old` has stay."""
    both = {
        key: merge(old[key], new[key]) for key in old if isinstance(old[key], dict) and isinstance(new.get(key), dict)
    }
    return {**old, **new, **both}


def rounded(value: Any) -> Any:
    """Floats to `DIGITS` significant digits, at any depth."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def hashes(name: str) -> dict[str, str]:
    """sha256 of the files that a run has drawn."""
    return {path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in RUNS[name].draws}


def manifest() -> dict[str, str]:
    """sha256 of the shipped weights."""
    entries = json.loads((ROOT / "weights_manifest.json").read_text())["checkpoints"]
    return {entry["name"]: entry["sha256"] for entry in entries}


def machine() -> str:
    """Cores, instructions and PyTorch of this machine in one line."""
    information = Path("/proc/cpuinfo")
    flags = set(information.read_text().split()) if information.exists() else set()
    return ", ".join(
        [f"{os.cpu_count()} cores", *(name for name in FAST if name in flags), f"torch {version('torch')}"]
    )


def _run(command: str) -> None:
    print(f"$ {command}", flush=True)
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=ROOT, check=True)
