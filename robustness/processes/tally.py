"""Results of one program under a campaign, and the command line of the campaigns that run programs."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from robustness.processes.programs import Contents, Expectation, contents, leftovers, make_programs
from testing.hub_server import HubServer


@dataclass
class Tally:
    """Counts of one program by the headings of the table; `complaints` says in words what went wrong."""

    HEADER: ClassVar[tuple[str, ...]]
    MUST_FINISH: ClassVar[str]  # every run that this heading counts must also count as "finished"

    program: str
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was spoilt or left behind, and every run could be finished."""
        return self.counts["finished"] == self.counts[self.MUST_FINISH] > 0 and not self.complaints

    def cells(self) -> list[str]:
        """A row of the table."""
        return [self.program, *(str(self.counts[heading]) for heading in self.HEADER)]

    def blame(self, heading: str, complaint: str) -> None:
        """Count a fault."""
        self.counts[heading] += 1
        self.complaints.append(complaint)

    def blame_half_written(self, expectation: Expectation, run: Path) -> Contents:
        """Count every file with a final name and an unknown content; returns the contents of all files."""
        after = contents(run)
        for name, value in after.items():
            if name.endswith("/settings.json"):  # a hash of the call: the same in every run of one folder
                expectation.allowed.setdefault(name, [value])
            if value not in expectation.allowed.get(name, ()):
                self.blame("half-written", f"{name} holds what no undisturbed run puts there ({value})")
        return after

    def blame_leftovers(self, expectation: Expectation, run: Path) -> None:
        """Count every unfinished file."""
        for name in leftovers(expectation, run):
            self.blame("leftovers", f"{name} was left behind")


class Campaign:
    """A command line that runs programs and prints a table of their tallies."""

    def __init__(self, name: str, description: str | None, kind: type[Tally], pause: float = 0.0) -> None:
        self.name, self.kind, self.pause = name, kind, pause
        self.parser = parser = command_line(description, "robustness")
        parser.add_argument(
            "--programs", nargs="+", default=[""], metavar="NAME", help="only those whose names begin so"
        )
        parser.add_argument("--ray-python", type=Path, help="an interpreter with Ray, for bridgenet-upsample --ray")

    def run(self, arguments: Sequence[str] | None, disturb: Callable[..., Iterable[Tally]]) -> int:
        """Call `disturb(options, programs, index, folder)` for the tallies of each program; 1 if one has not passed."""
        options = self.parser.parse_args(arguments)
        tallies: list[Tally] = []
        with tempfile.TemporaryDirectory(prefix="robustness-") as base, HubServer() as server:
            server.pause = self.pause
            made = make_programs(Path(base) / "inputs", server, options.ray_python)
            programs = [program for program in made if program.name.startswith(tuple(options.programs))]
            for index in range(len(programs)):
                for tally in disturb(options, programs, index, Path(base) / f"runs{index}"):
                    tallies.append(tally)
                    table = text_table(("program", *self.kind.HEADER), [tally.cells()])
                    print(table, *tally.complaints, "", sep="\n", flush=True)
                given = {option: str(value) for option, value in vars(options).items()}
                document = {"options": given, "programs": [vars(tally) for tally in tallies]}
                write_json(options.out / f"{self.name}.json", document)
        print(text_table(("program", *self.kind.HEADER), [tally.cells() for tally in tallies]))
        return 0 if all(tally.passed for tally in tallies) else 1
