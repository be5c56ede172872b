"""Run the long-running commands on full and on read-only file systems: `python -m robustness disks`. As root on Linux.

Each program runs in a small tmpfs: with so little room left that it must fail on its way, at several amounts, and
read-only. It must end with exit code 1 and one line that says why, leave nothing half-written under a final name and
what was there before as it was, and finish once there is room.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from robustness.processes.programs import Contents, Expectation, Program, contents, expect, names
from robustness.processes.tally import Campaign, Tally

SIZE = "64m"
BLOCK = 4096  # bytes that tmpfs hands out
SHARES = (0.0, 0.3, 0.7, 0.95)  # of the room that an undisturbed run takes
WORDS = ("No space left on device", "Read-only file system", "disk is full", "unable to open database")


class Disks(Tally):
    """The harm that one kind of disk did to one program."""

    HEADER = ("runs", "clear error", "half-written", "lost", "leftovers", "finished")
    MUST_FINISH = "runs"


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


def try_full(program: Program, expectation: Expectation, disk: Path, room: int, tally: Disks) -> None:
    """Run with so much room, judge, make room and run again."""
    run = disk / "run"
    run.mkdir()
    program.prepare(run)
    before, ballast = contents(run), fill(disk, room)
    code, said = program.complete(run)
    judge(expectation, run, before, code, said, tally)
    ballast.unlink()
    finish(program, expectation, run, tally)


def try_read_only(program: Program, expectation: Expectation, disk: Path, tally: Disks) -> None:
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


def judge(expectation: Expectation, run: Path, before: Contents, code: int, said: str, tally: Disks) -> None:
    """Judge the words and the files of a run that failed."""
    tally.counts["runs"] += 1
    reasons = [line for line in said.splitlines() if "error: " in line]
    if code == 1 and reasons and "Traceback" not in said and all(any(w in line for w in WORDS) for line in reasons):
        tally.counts["clear error"] += 1
    else:
        tally.complaints.append(f"ended with {code} and said {said[-1500:]!r}")
    for name in before.keys() - tally.blame_half_written(expectation, run).keys():
        tally.blame("lost", f"{name} is gone")
    tally.blame_leftovers(expectation, run)


def finish(program: Program, expectation: Expectation, run: Path, tally: Disks) -> None:
    """With room again."""
    code, said = program.complete(run)
    if code == 0 and contents(run) == expectation.final:
        tally.counts["finished"] += 1
    else:
        tally.complaints.append(f"with room again it ended with {code} and said {said[-500:]!r}")


def try_program(program: Program, base: Path, shares: Sequence[float] = SHARES) -> list[Disks]:
    """On full disks and on a read-only one."""
    expectation = expect(program, base / "undisturbed")
    taken = room_taken(base / "undisturbed")
    full, read_only = (Disks(f"{program.name}, {disk}") for disk in ("full", "read-only"))
    for i, share in enumerate(shares):
        with small_disk(base / f"full{i}") as disk:
            try_full(program, expectation, disk, int(taken * share), full)
    with small_disk(base / "read-only") as disk:
        try_read_only(program, expectation, disk, read_only)
    return [full, read_only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a run did not say why it failed, spoilt something or could not be finished."""
    campaign = Campaign("disks", __doc__, Disks)
    return campaign.run(arguments, lambda options, programs, index, folder: try_program(programs[index], folder))
