"""Long-running commands killed by SIGKILL at random moments: `python -m robustness kills --kills 200`.

Every second moment is drawn from the whole run, process start included, the others from the time after something new
has appeared on disk. After each kill every file that has a final name must hold what an undisturbed run puts there, and
nothing whole that lay there before may be gone or older. After a few kills the command is run to its end: it must leave
what an undisturbed run leaves. Linux only (/proc).
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.report import text_table, write_json
from bridgenet_infer.files import PART
from robustness.processes.programs import (
    MARK,
    Contents,
    Expectation,
    Program,
    contents,
    expect,
    fresh,
    leftovers,
    make_programs,
    names,
)
from testing.hub_server import HubServer

IN_A_ROW = 8  # kills before the command is left alone
PATIENCE = 60  # seconds that children may take to notice that their parent is gone, busy with imports as they may be
HEADER = (
    "program",
    "kills",
    "after first output",
    "half-written",
    "lost",
    "left running",
    "reruns",
    "finished",
    "leftovers",
)


@dataclass
class Tally:
    """What kills did to one program; `complaints` says it in words."""

    program: str
    kills: int = 0
    after_first: int = 0
    half_written: int = 0
    lost: int = 0
    left_running: int = 0
    reruns: int = 0
    finished: int = 0
    leftovers: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was half-written, lost or left behind, and every rerun finished."""
        return self.finished == self.reruns > 0 and not self.complaints

    def cells(self) -> list[str]:
        """A row of the table."""
        values = list(asdict(self).values())
        return [str(value) for value in values[:-1]]


def kill_often(program: Program, kills: int, folder: Path, seed: int) -> Tally:
    """Kill a program so many times, and let it finish after every few."""
    moments, tally, runs = random.Random(f"{program.name} {seed}"), Tally(program.name), 0
    expectation = expect(program, folder / "undisturbed")
    while tally.kills < kills:
        runs += 1
        run = fresh(program, folder / f"{runs:03}")
        for _ in range(min(IN_A_ROW, kills - tally.kills)):
            before, began = contents(run), time.perf_counter()
            if (ended := kill_once(program, expectation, run, moments, tally)) is not None:  # it was faster
                expectation = replace(expectation, seconds=min(expectation.seconds, time.perf_counter() - began))
                judge_end(expectation, run, *ended, tally)
                break
            judge(program, expectation, run, before, tally)
            grow_old(run)
        else:
            judge_end(expectation, run, *program.complete(run), tally)
        shutil.rmtree(run)
    return tally


def kill_once(
    program: Program, expectation: Expectation, run: Path, moments: random.Random, tally: Tally
) -> tuple[int, str] | None:
    """Start it and kill it at a random moment; exit code and words if it ended before."""
    before, running = names(run), program.start(run)
    if after_first := moments.random() < 0.5:
        while running.wait(0.002) is None and names(run) <= before:
            pass
    code = running.wait(moments.uniform(0, max(expectation.seconds - after_first * expectation.first, 0.1)))
    if code is not None:
        said = running.said()
        return program.judge(code, said), said
    running.kill()
    if program.name == "Ray":  # a machine that goes down takes all of them
        for pid in marked(run):
            os.kill(pid, signal.SIGKILL)
    if left := still_running(run):
        tally.left_running += len(left)
        tally.complaints.append(f"{len(left)} processes went on for {PATIENCE} s after the kill")
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    running.log.unlink()
    tally.kills += 1
    tally.after_first += after_first
    return None


def marked(run: Path) -> list[int]:
    """Processes that were started for a run."""
    mark, found = f"{MARK}={run}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):  # empty once it has ended
                found.append(int(process.name))
        except OSError:
            continue
    return found


def still_running(run: Path) -> list[int]:
    """Those that have not ended in time."""
    deadline = time.monotonic() + PATIENCE
    while (left := marked(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def judge(program: Program, expectation: Expectation, run: Path, before: Contents, tally: Tally) -> None:
    """Compare what is there with what may be there, and with what was."""
    after = contents(run)
    for name, value in after.items():
        if name.endswith("/settings.json"):  # a hash of the call: the same after every kill
            expectation.allowed.setdefault(name, [value])
        if value not in expectation.allowed.get(name, ()):
            tally.half_written += 1
            tally.complaints.append(f"{name} holds what no undisturbed run puts there ({value})")
    done = all(after.get(name) == value for name, value in expectation.final.items())
    for name, value in before.items():
        known = expectation.allowed.get(name, [])
        if name in program.grows or value not in known or (done and name not in expectation.final):
            continue
        if name not in after or (after[name] in known and known.index(after[name]) < known.index(value)):
            tally.lost += 1
            tally.complaints.append(f"{name} was whole before the kill and is {'older' if name in after else 'gone'}")


def grow_old(run: Path) -> None:
    """Let the ten minutes pass after which unfinished files count as left behind."""
    for name in names(run):
        if name.endswith((PART, ".incomplete")):
            os.utime(run / name, (0, 0))


def judge_end(expectation: Expectation, run: Path, code: int, said: str, tally: Tally) -> None:
    """Whether a run that was left alone has finished what others had begun."""
    after = contents(run)
    tally.reruns += 1
    if code == 0 and after == expectation.final:
        tally.finished += 1
    else:
        wrong = sorted({name for name, _ in after.items() ^ expectation.final.items()})
        tally.complaints.append(f"the rerun ended with {code}, differs in {wrong}, and said {said[-500:]!r}")
    left = leftovers(expectation, run)
    tally.leftovers += len(left)
    tally.complaints.extend(f"{name} was left behind" for name in left)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if anything was half-written, lost, left behind or not finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of all programs together (200)")
    parser.add_argument("--programs", nargs="+", metavar="NAME", help="only those whose names begin so")
    parser.add_argument("--ray-python", type=Path, help="an interpreter that has Ray, for bridgenet-upsample --ray")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/robustness"))
    options = parser.parse_args(arguments)
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="robustness-") as base, HubServer() as server:
        server.pause = 0.05
        programs = make_programs(Path(base) / "inputs", server, options.ray_python)
        if options.programs:
            programs = [program for program in programs if program.name.startswith(tuple(options.programs))]
        for i, program in enumerate(programs):
            share = options.kills * (i + 1) // len(programs) - options.kills * i // len(programs)
            tallies.append(kill_often(program, share, Path(base) / f"runs{i}", options.seed))
            print(text_table(HEADER, [tallies[-1].cells()]), *tallies[-1].complaints, "", sep="\n", flush=True)
            write_json(options.out / "kills.json", {"seed": options.seed, "programs": [asdict(t) for t in tallies]})
    print(text_table(HEADER, [tally.cells() for tally in tallies]))
    return 0 if all(tally.passed for tally in tallies) else 1
