"""Kill long-running commands by SIGKILL at random moments: `python -m robustness kills --kills 200`.

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
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridgenet_infer.files import PART
from robustness.processes.programs import MARK, Contents, Expectation, Program, contents, expect, fresh, names
from robustness.processes.tally import Campaign, Tally

IN_A_ROW = 8  # kills before the command is left alone
PATIENCE = 60  # seconds that children may take to notice that their parent is gone, busy with imports as they may be


class Kills(Tally):
    """The harm that kills did to one program."""

    HEADER = ("kills", "after first output", "half-written", "lost", "left running", "reruns", "finished", "leftovers")
    MUST_FINISH = "reruns"


def kill_often(program: Program, kills: int, folder: Path, seed: int) -> Kills:
    """Kill a program so many times, and let it finish after every few."""
    moments, tally, runs = random.Random(f"{program.name} {seed}"), Kills(program.name), 0
    expectation = expect(program, folder / "undisturbed")
    while tally.counts["kills"] < kills:
        runs += 1
        run = fresh(program, folder / f"{runs:03}")
        for _ in range(min(IN_A_ROW, kills - tally.counts["kills"])):
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
    program: Program, expectation: Expectation, run: Path, moments: random.Random, tally: Kills
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
        for pid in left:
            tally.blame("left running", f"process {pid} went on for {PATIENCE} s after the kill")
            os.kill(pid, signal.SIGKILL)
    running.log.unlink()
    tally.counts.update({"kills": 1, "after first output": int(after_first)})
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


def judge(program: Program, expectation: Expectation, run: Path, before: Contents, tally: Kills) -> None:
    """Compare the files with their allowed contents, and with those before the kill."""
    after = tally.blame_half_written(expectation, run)
    done = all(after.get(name) == value for name, value in expectation.final.items())
    for name, value in before.items():
        known = expectation.allowed.get(name, [])
        if name in program.grows or value not in known or (done and name not in expectation.final):
            continue
        if name not in after or (after[name] in known and known.index(after[name]) < known.index(value)):
            tally.blame("lost", f"{name} was whole before the kill and is {'older' if name in after else 'gone'}")


def grow_old(run: Path) -> None:
    """Let the ten minutes pass after which unfinished files count as left behind."""
    for name in names(run):
        if name.endswith((PART, ".incomplete")):
            os.utime(run / name, (0, 0))


def judge_end(expectation: Expectation, run: Path, code: int, said: str, tally: Kills) -> None:
    """Judge whether a run that was left alone has finished the work of the killed ones."""
    after = contents(run)
    tally.counts["reruns"] += 1
    if code == 0 and after == expectation.final:
        tally.counts["finished"] += 1
    else:
        wrong = sorted({name for name, _ in after.items() ^ expectation.final.items()})
        tally.complaints.append(f"the rerun ended with {code}, differs in {wrong}, and said {said[-500:]!r}")
    tally.blame_leftovers(expectation, run)


def disturb(options: argparse.Namespace, programs: Sequence[Program], index: int, folder: Path) -> list[Kills]:
    """The share of the kills that one program gets."""
    share = options.kills * (index + 1) // len(programs) - options.kills * index // len(programs)
    return [kill_often(programs[index], share, folder, options.seed)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if anything was half-written, lost, left behind or not finished."""
    campaign = Campaign("kills", __doc__, Kills, pause=0.05)
    campaign.parser.add_argument("--kills", type=int, default=200, help="of all programs together (200)")
    campaign.parser.add_argument("--seed", type=int, default=0)
    return campaign.run(arguments, disturb)
