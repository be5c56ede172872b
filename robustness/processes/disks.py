"""The long-running commands on full and on read-only file systems: `python -m robustness disks`. As root on Linux.

Each program runs in a small tmpfs: with so little room left that it must fail on its way, at several amounts, and
read-only. It must end with exit code 1 and one line that says why, leave nothing half-written under a final name and
what was there before as it was, and finish once there is room.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.report import text_table, write_json
from robustness.processes.programs import (
    Contents,
    Expectation,
    Program,
    contents,
    expect,
    leftovers,
    make_programs,
    names,
)
from testing.hub_server import HubServer

SIZE = "64m"
BLOCK = 4096  # bytes that tmpfs hands out
SHARES = (0.0, 0.3, 0.7, 0.95)  # of the room that an undisturbed run takes
WORDS = ("No space left on device", "Read-only file system", "disk is full", "unable to open database")
HEADER = ("program", "disk", "runs", "clear error", "half-written", "lost", "leftovers", "finished after")


@dataclass
class Tally:
    """What one kind of disk did to one program; `complaints` says it in words."""

    program: str
    disk: str
    runs: int = 0
    clear: int = 0
    half_written: int = 0
    lost: int = 0
    leftovers: int = 0
    finished: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every run said why it failed, spoilt nothing and could be finished."""
        return self.clear == self.finished == self.runs > 0 and not self.complaints

    def cells(self) -> list[str]:
        """A row of the table."""
        return [str(value) for value in list(asdict(self).values())[:-1]]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own in a new folder.

    Raises
    ------
    PermissionError
        If this user may not mount one.
    """
    folder.mkdir(parents=True)
    _mount("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(disk: Path, read_only: bool) -> None:
    """Or writable again."""
    _mount("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(disk))


def _mount(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PermissionError(f"no file system can be mounted here: {getattr(error, 'stderr', error)}") from error


def fill(disk: Path, room: int) -> Path:
    """Leave so many bytes; returns the file that takes the rest."""
    ballast = disk / "ballast"
    state = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(state.f_bavail * state.f_frsize - room, BLOCK))
    return ballast


def room_taken(run: Path) -> int:
    """Bytes of the blocks below a folder; links take none."""
    sizes = [(run / name).stat().st_size for name in names(run) if not (run / name).is_symlink()]
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)


def try_full(program: Program, expectation: Expectation, disk: Path, room: int, tally: Tally) -> None:
    """Run with so much room, judge, make room and run again."""
    run = disk / "run"
    run.mkdir()
    program.prepare(run)
    before, ballast = contents(run), fill(disk, room)
    code, said = program.complete(run)
    judge(expectation, run, before, code, said, tally)
    ballast.unlink()
    finish(program, expectation, run, tally)


def try_read_only(program: Program, expectation: Expectation, disk: Path, tally: Tally) -> None:
    """The same on a disk that nobody may write to, until it is mounted anew."""
    run = disk / "run"
    run.mkdir()
    program.prepare(run)
    before = contents(run)
    make_read_only(disk, True)
    code, said = program.complete(run)
    judge(expectation, run, before, code, said, tally)
    make_read_only(disk, False)
    finish(program, expectation, run, tally)


def judge(expectation: Expectation, run: Path, before: Contents, code: int, said: str, tally: Tally) -> None:
    """What a run that failed has said and left."""
    tally.runs += 1
    reasons = [line for line in said.splitlines() if "error: " in line]
    if code == 1 and reasons and "Traceback" not in said and all(any(w in line for w in WORDS) for line in reasons):
        tally.clear += 1
    else:
        tally.complaints.append(f"ended with {code} and said {said[-1500:]!r}")
    after = contents(run)
    for name, value in after.items():
        if name.endswith("/settings.json"):
            continue
        if value not in expectation.allowed.get(name, ()):
            tally.half_written += 1
            tally.complaints.append(f"{name} holds what no undisturbed run puts there ({value})")
    for name in before.keys() - after.keys():
        tally.lost += 1
        tally.complaints.append(f"{name} is gone")
    for name in leftovers(expectation, run):
        tally.leftovers += 1
        tally.complaints.append(f"{name} was left behind")


def finish(program: Program, expectation: Expectation, run: Path, tally: Tally) -> None:
    """With room again."""
    code, said = program.complete(run)
    if code == 0 and contents(run) == expectation.final:
        tally.finished += 1
    else:
        tally.complaints.append(f"with room again it ended with {code} and said {said[-500:]!r}")


def try_program(program: Program, base: Path, shares: Sequence[float] = SHARES) -> list[Tally]:
    """On full disks and on a read-only one."""
    expectation = expect(program, base / "undisturbed")
    taken = room_taken(base / "undisturbed")
    full, read_only = Tally(program.name, "full"), Tally(program.name, "read-only")
    for i, share in enumerate(shares):
        with small_disk(base / f"full{i}") as disk:
            try_full(program, expectation, disk, int(taken * share), full)
    with small_disk(base / "read-only") as disk:
        try_read_only(program, expectation, disk, read_only)
    return [full, read_only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a run did not say why it failed, spoilt something or could not be finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", metavar="NAME", help="only those whose names begin so")
    parser.add_argument("--ray-python", type=Path, help="an interpreter that has Ray, for bridgenet-upsample --ray")
    parser.add_argument("--out", type=Path, default=Path("out/robustness"))
    options = parser.parse_args(arguments)
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="robustness-") as base, HubServer() as server:
        programs = make_programs(Path(base) / "inputs", server, options.ray_python)
        if options.programs:
            programs = [program for program in programs if program.name.startswith(tuple(options.programs))]
        for i, program in enumerate(programs):
            for tally in try_program(program, Path(base) / f"disks{i}"):
                tallies.append(tally)
                print(text_table(HEADER, [tally.cells()]), *tally.complaints, "", sep="\n", flush=True)
            write_json(options.out / "disks.json", {"programs": [asdict(tally) for tally in tallies]})
    print(text_table(HEADER, [tally.cells() for tally in tallies]))
    return 0 if all(tally.passed for tally in tallies) else 1
