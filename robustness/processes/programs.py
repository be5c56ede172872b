"""The long-running commands on tiny inputs: the call of each, and the files that an undisturbed run leaves."""

import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from bridgenet_infer.files import PART
from bridgenet_infer.ros.messages import to_array
from simulation.recordings import KINDS, Recording, bag_path, write_recording
from testing.hub_server import HubServer
from testing.running import Running, start
from testing.tiny import random_frames, write_pair, write_tiny_checkpoint, write_training_config

SUFFIXES = (".png", ".tif", ".npy", ".npz", ".pfm")
START = 1_700_000_000_000_000_000
REPO, COMMIT = "makers/tiny-depth", "a" * 40
OUTPUT = "/bridgenet/depth/image_raw"
MARK = "FAULTS_RUN"  # an environment variable that all processes of a run inherit
LONGEST = 600  # seconds that any of them may take
Contents = dict[str, str]  # by name below the run's folder: a digest of what a file holds


@dataclass(frozen=True)
class Program:
    """A command that writes below a folder `run` of its own.

    Attributes
    ----------
    arguments
        After the interpreter, with {run} for the folder.
    environment
        The same for variables.
    prepare
        Puts there what was there before the first run.
    refusal
        What a run says that finds its result there already; exit code 1 then means that all is well.
    grows
        Files that may lose what a later run writes again.
    python
        The interpreter.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda run: None
    refusal: str | None = None
    grows: tuple[str, ...] = ()
    python: str = sys.executable

    def start(self, run: Path) -> Running:
        """The command, in a process of its own."""
        own = {name: value.format(run=run) for name, value in self.environment.items()}
        call = [argument.format(run=run) for argument in self.arguments]
        return start(call, {MARK: str(run), "OMP_NUM_THREADS": "1", **own}, self.python)

    def complete(self, run: Path) -> tuple[int, str]:
        """Run it to its end; returns the exit code, 0 also where it found its own result, and its output."""
        running = self.start(run)
        code = running.wait(LONGEST)
        if code is None:
            running.kill()
            raise RuntimeError(f"{self.name} has not ended after {LONGEST} s: {running.said()}")
        said = running.said()
        return self.judge(code, said), said

    def judge(self, code: int, said: str) -> int:
        """An exit code, 0 also for a run that found its own result."""
        return 0 if code == 1 and self.refusal and self.refusal in said else code


@dataclass(frozen=True)
class Expectation:
    """The files and the time of an undisturbed run, and all contents that a file may ever have, from old to new.

    Attributes
    ----------
    temporary
        Files that even an undisturbed run leaves: locks of the Hub's client.
    seconds, first
        Until the end, and until something new appears.
    """

    final: Contents
    allowed: dict[str, list[str]]
    temporary: frozenset[str]
    seconds: float
    first: float


# -- what lies in a folder ---------------------------------------------------------------------------------------------


def is_temporary(name: str) -> bool:
    """Whether a name says that a file is no result: unfinished, a lock, a bag on its way, or the Hub client's own."""
    parts = Path(name).parts
    if _is_clients(name) or not {"bag", "replaced"}.isdisjoint(parts[1:-1]):
        return True
    return any(part.endswith((PART, ".incomplete", ".lock")) for part in parts)


def _is_clients(name: str) -> bool:
    """The Hub client's marker for backups and notes of branches: of a full disk they stay, empty."""
    return name.endswith(("/CACHEDIR.TAG", ".tmp"))


def leftovers(expectation: Expectation, run: Path) -> list[str]:
    """Unfinished files that an undisturbed run does not leave."""
    found = names(run) - expectation.temporary
    return sorted(name for name in found if is_temporary(name) and not _is_clients(name))


def names(run: Path) -> set[str]:
    """Every file below a folder, while others may be writing there."""
    return {os.path.relpath(os.path.join(folder, name), run) for folder, _, files in os.walk(run) for name in files}


def contents(run: Path) -> Contents:
    """Digests of all files that have their final names; "unreadable" if one cannot be read as what it is."""
    return {name: digest(run / name) for name in sorted(names(run)) if not is_temporary(name)}


def digest(path: Path) -> str:
    """Of the bytes; of training states and curves without the seconds that they took."""
    try:
        if path.suffix == ".pt":
            return _digest_state(path)
        if path.suffix == ".csv":
            return _digest_rows(_rows(path))
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except Exception as error:
        return f"unreadable: {error!r}"


def _digest_state(path: Path) -> str:
    digest = hashlib.sha256()
    for name, value in _leaves(torch.load(path, weights_only=True)):
        if name != ".seconds":
            digest.update(name.encode() + (value.numpy().tobytes() if torch.is_tensor(value) else repr(value).encode()))
    return digest.hexdigest()


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _leaves(item, f"{name}.{key}")
    else:
        yield name, value


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def _digest_rows(rows: list[dict[str, str]]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


# -- undisturbed runs --------------------------------------------------------------------------------------------------


def expect(program: Program, folder: Path) -> Expectation:
    """Run a program undisturbed in a new folder, and note its files on the way.

    Raises
    ------
    RuntimeError
        If it does not end with 0.
    """
    run = fresh(program, folder)
    before, names_before = contents(run), names(run)
    began = time.perf_counter()
    running = program.start(run)
    while running.wait(0.005) is None and names(run) == names_before:
        pass
    first = time.perf_counter() - began
    code = running.wait(LONGEST)
    seconds, said = time.perf_counter() - began, running.said()
    if code != 0:
        raise RuntimeError(f"{program.name} ended with {code}: {said}")
    final = contents(run)
    allowed = {name: [before[name]] if name in before else [] for name in before.keys() | final.keys()}
    for name, value in final.items():
        if value not in allowed[name]:
            allowed[name].append(value)
    temporary = frozenset(names(run) - final.keys())
    return Expectation(final, allowed | _intermediate(program, run), temporary, seconds, first)


def fresh(program: Program, run: Path) -> Path:
    """A new folder as it is before the first run."""
    run.mkdir(parents=True)
    program.prepare(run)
    return run


def _intermediate(program: Program, run: Path) -> dict[str, list[str]]:
    """Contents that some files have before the end."""
    if program.name == "training":
        return _training_states(program, run)
    return _bag_frames(next(run.glob("out*"))) if program.name.startswith("bag") else {}


def _training_states(program: Program, run: Path) -> dict[str, list[str]]:
    """States at each checkpoint, and the curve up to each."""
    rows, states = _rows(run / "run" / "curve.csv"), []
    stepwise = run.with_name(run.name + "-stepwise")
    for row in rows:
        code, said = Program("stepwise", (*program.arguments, "--stop-at", row["step"])).complete(stepwise)
        if code:
            raise RuntimeError(f"training to step {row['step']} ended with {code}: {said}")
        states.append(digest(stepwise / "run" / "last.pt"))
    curves = [_digest_rows(rows[:i]) for i in range(1, len(rows) + 1)]
    return {"run/last.pt": states, "run/curve.csv": curves}


def _bag_frames(bag: Path) -> dict[str, list[str]]:
    """The frames that a run keeps until its bag is whole, as .npy, from the bag."""
    found = {}
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        ours = [connection for connection in reader.connections if connection.topic == OUTPUT]
        for index, (connection, _, raw) in enumerate(reader.messages(ours)):
            path = bag.with_name("frame.npy")
            np.save(path, to_array(reader.deserialize(raw, connection.msgtype)))
            found[f"{bag.name}.frames/{index:08d}.npy"] = [digest(path)]
            path.unlink()
    return found


# -- the programs ------------------------------------------------------------------------------------------------------


def make_programs(inputs: Path, server: HubServer, ray_python: Path | None = None) -> list[Program]:
    """All of them, on inputs made in an empty folder; the one on Ray if there is a Python that has it."""
    inputs.mkdir(parents=True)
    checkpoint = write_tiny_checkpoint(inputs / "tiny.safetensors")
    other = write_tiny_checkpoint(inputs / "other.safetensors", seed=1)
    network = ("--weights", str(checkpoint), "--device", "cpu")
    folders = _pairs(inputs)
    upsample = ("-m", "bridgenet_infer.cli", *folders, "-o", "{run}/out", *network)

    def older(*arguments: str) -> Callable[[Path], None]:
        def prepare(run: Path) -> None:
            code, said = Program("older", (*arguments, "--weights", str(other))).complete(run)
            if code:
                raise RuntimeError(said)

        return prepare

    programs = [
        Program("folder", (*upsample, "--preview")),
        Program("folder, replacing", (*upsample, "--overwrite"), prepare=older(*upsample)),
    ]
    for kind in KINDS:
        call = ("-m", "bridgenet_infer.bags.command", _bag(inputs, kind), "-o", f"{{run}}/{_out(kind)}")
        programs.append(Program(f"bag, {kind}", (*call, *network), refusal="exists; --overwrite replaces it"))
        if kind == "sqlite3":  # a folder: no single step replaces it
            replacing = Program(f"bag, {kind}, replacing", (*call, *network, "--overwrite"), prepare=older(*call))
            programs.append(replacing)
    config = str(write_training_config(inputs))
    training = ("-m", "training.train", "--config", config, "--out", "{run}/run", "--pools", "{run}/pools")
    no_data = {"BRIDGENET_DATA": str(inputs / "nothing")}
    programs.append(Program("training", (*training, "--device", "cpu"), no_data, grows=("run/curve.csv",)))
    programs.append(_download(inputs, server))
    if ray_python is not None:
        spread = (*upsample, "--preview", "--ray", "--ray-workers", "2")
        programs.append(Program("Ray", spread, python=str(ray_python)))
    return programs


def _pairs(inputs: Path, count: int = 30) -> tuple[str, str]:
    rgb, depth = inputs / "rgb", inputs / "depth"
    for folder in (rgb, depth):
        folder.mkdir()
    for i in range(count):
        write_pair(rgb / f"{i}.png", depth / f"{i}{SUFFIXES[i % len(SUFFIXES)]}", i)
    return str(rgb), str(depth)


def _bag(inputs: Path, kind: str) -> str:
    frames = random_frames(range(START, START + 12 * 10**8, 10**8))
    return str(write_recording(bag_path(inputs, kind, kind), kind, Recording(frames)))


def _out(kind: str) -> str:
    return bag_path(Path(), "out", kind).name


def _download(inputs: Path, server: HubServer) -> Program:
    """One pair with weights from the Hub, which come slowly."""
    payload = (inputs / "tiny.safetensors").read_bytes()
    server.publish(REPO, COMMIT, "tiny.safetensors", payload)
    pair = (str(inputs / "rgb" / "0.png"), str(inputs / "depth" / "0.png"))
    call = ("-m", "bridgenet_infer.cli", *pair, "-o", "{run}/depth.png", "--weights", REPO, "--device", "cpu")
    return Program("download", (*call, "--overwrite"), server.environment("{run}/home"))
