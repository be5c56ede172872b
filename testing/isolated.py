"""Run checks in a process of their own: one that hangs or dies is recorded, and the others go on. Linux only."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from testing.memory import memory_bytes

MIB = 2**20

POLL = 0.05  # seconds between two looks at the process
PATIENCE = 6  # a busy machine may give a process a sixth of a processor; one that waits for ever uses none


@dataclass(frozen=True)
class Verdict:
    """The verdict of a check: its group, its result, and the reason of a fault ("" if there is none)."""

    group: str
    result: str
    fault: str = ""


@dataclass(frozen=True)
class Outcome:
    """One finished check: processor seconds, MiB above what was resident when it began, and MiB resident after it."""

    index: int
    verdict: Verdict
    seconds: float
    peak: float
    resident: float


@dataclass(frozen=True)
class Limits:
    """Processor seconds and MiB above the start that one check may take; and `PATIENCE` times these on the clock."""

    seconds: float
    memory: float


Check = Callable[[int, int], Verdict]  # (seed, index)


def run_apart(check: Check, seed: int, indices: Sequence[int], limits: Limits) -> Iterator[Outcome]:
    """Outcomes in order; after a crash or a kill a new process goes on with the next index.

    Parameters
    ----------
    check
        A function of a module, which the process imports.
    """
    context = multiprocessing.get_context("spawn")
    done = 0
    while done < len(indices):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(check, seed, indices[done:], theirs), daemon=True)
        process.start()
        theirs.close()
        for outcome in _watch(process, ours, limits):
            done += 1
            yield outcome
        process.join()
        ours.close()


def _watch(process: BaseProcess, pipe: Connection, limits: Limits) -> Iterator[Outcome]:
    """Outcomes until the process ends or has to be killed."""
    running: int | None = None
    start = base = used = 0.0
    while True:
        try:
            if pipe.poll(POLL):
                message = pipe.recv()
                if message is None:
                    return
                if isinstance(message, Outcome):
                    running = None
                    yield _judged(message, limits)
                else:
                    running, base = message
                    start, used = time.monotonic(), _processor(process.pid)
                continue
        except (EOFError, ConnectionResetError):
            process.join()
            if running is None:
                raise RuntimeError(f"the process ended with {process.exitcode} before a check began") from None
            fault = f"crash: the process ended with {process.exitcode}"
            yield Outcome(running, Verdict("", "crash", fault), time.monotonic() - start, 0.0, 0.0)
            return
        if running is None:
            continue
        taken, grown = time.monotonic() - start, memory_bytes("VmRSS", process.pid) / MIB - base
        if max(_processor(process.pid) - used, taken / PATIENCE) > limits.seconds or grown > limits.memory:
            process.kill()
            fault = f"killed after {taken:.1f} s, {grown:.0f} MiB above the start"
            yield Outcome(running, Verdict("", "killed", fault), taken, grown, 0.0)
            return


def _judged(outcome: Outcome, limits: Limits) -> Outcome:
    """Judge a check that ended by itself between two looks: it may still have used too much."""
    if outcome.verdict.fault or (outcome.seconds <= limits.seconds and outcome.peak <= limits.memory):
        return outcome
    fault = f"{outcome.seconds:.1f} s, {outcome.peak:.0f} MiB above the start"
    verdict = Verdict(outcome.verdict.group, outcome.verdict.result, fault)
    return Outcome(outcome.index, verdict, outcome.seconds, outcome.peak, outcome.resident)


def _serve(check: Check, seed: int, indices: Sequence[int], pipe: Connection) -> None:
    for index in indices:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        base = memory_bytes() / MIB
        pipe.send((index, base))
        start = time.process_time()
        try:
            verdict = check(seed, index)
        except BaseException as error:  # what a check lets through is a fault; Rust's panics are no Exception
            verdict = Verdict("", "fault", "".join(traceback.format_exception(error, limit=-3)))
        seconds = time.process_time() - start
        pipe.send(Outcome(index, verdict, seconds, memory_bytes("VmHWM") / MIB - base, memory_bytes() / MIB))
    pipe.send(None)


def _processor(pid: int | None) -> float:
    """Seconds of processor time of a process; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
