"""Change the code of depth handling, tiling and weights in small wrong ways, and see whether the tests notice.

Runs where mutmut is installed: `make mutants`. Tests are collected once; each mutant is a fork of that process in which
one module has been executed again with the change, so it costs no imports.
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from benchmarks.report import text_table, write_json
from testing import ROOT

from .operators import Mutant, make_mutants

CONTRACT = "tests/test_contract.py"
NORMALISE, VALIDATE, RESTORE, TILES = (
    f"tests/pipeline/test_{name}.py" for name in ("normalise", "validate", "restore", "tiles")
)
WEIGHTS, HUB = "tests/weights/test_weights.py", "tests/weights/test_hub.py"
VALIDITY = "tests/simulation/test_sensors.py::test_the_network_is_told_which_samples_were_measured"
TESTS = {
    "pipeline.validate": [CONTRACT, VALIDATE],
    "pipeline.holes": [CONTRACT, NORMALISE],
    "pipeline.normalise": [CONTRACT, NORMALISE],
    "pipeline.resample": [CONTRACT, TILES],
    "pipeline.restore": [CONTRACT, RESTORE, TILES],
    "pipeline.crop": [CONTRACT, RESTORE, TILES, VALIDITY],
    "pipeline.frame": [CONTRACT, RESTORE, TILES, VALIDITY],
    "pipeline.tile": [TILES],
    "pipeline.blend": [TILES],
    "backends.run": [TILES, VALIDITY],
    "pipeline.engine": [CONTRACT, TILES],
    "weights.manifest": [WEIGHTS],
    "weights.checkpoint": [WEIGHTS],
    "weights.load": [WEIGHTS, HUB],
    "weights.hub": [HUB],
}
APART = "really_runs_out"  # in a process of its own, which would import the code as it is on disk
MEMORY = 12 * 2**30  # bytes of address space: a mutant may ask for any size
PATIENCE = 10, 5  # seconds, and times what the tests take without a change


@dataclass(frozen=True)
class Verdict:
    """The outcome of one mutant: killed, timeout or survived; and the test that noticed it."""

    module: str
    line: int
    change: str
    status: str
    killer: str


class Trial:
    """Pytest plugin: instead of running the collected tests once, runs them for each mutant up to the first failure.

    Parameters
    ----------
    module
        Below bridgenet_infer.
    choose
        Which of all mutants.
    longest
        Seconds that a test may take to be among those that are run.
    """

    def __init__(self, module: str, choose: Callable[[list[Mutant]], list[Mutant]], longest: float) -> None:
        self.module, self.choose, self.longest = module, choose, longest
        self.kills: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self.failed = ""
        self.verdicts: list[Verdict] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test took and whether it failed."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge every mutant; the tests must pass without one."""
        hub = HUB.removesuffix(".py").replace("/", ".")
        if hub in sys.modules:
            sys.modules[hub].subprocess = SimpleNamespace(Popen=Load, PIPE=None)  # type: ignore[attr-defined]
        module = importlib.import_module(f"bridgenet_infer.{self.module}")
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        items = [item for item in session.items if APART not in item.nodeid]
        code, told = in_fork(partial(self._run, module, source, items), 600)
        if code != 0 or told["failed"]:
            raise RuntimeError(f"the tests of {self.module} fail without a change: {told.get('failed')}")
        durations: dict[str, float] = told["seconds"]
        durations = {test: seconds for test, seconds in durations.items() if seconds <= self.longest}
        items = [item for item in items if item.nodeid in durations]
        patience = PATIENCE[0] + PATIENCE[1] * sum(durations.values())
        for mutant in self.choose(make_mutants(source)):
            # those first that have noticed most, then the quick ones
            items.sort(key=lambda item: (-self.kills[item.nodeid], durations[item.nodeid]))
            code, told = in_fork(partial(self._run, module, mutant.source, items), patience)
            killer = told["failed"] if code == 0 else ""
            status = "timeout" if code is None else "killed" if code or killer else "survived"
            self.kills[killer] += 1
            self.verdicts.append(Verdict(self.module, mutant.line, mutant.change, status, killer))
            print(f"{self.module}:{mutant.line} {status}  {mutant.change}  {killer}", file=sys.__stderr__, flush=True)
        return True

    def _run(self, module: ModuleType, source: str, items: Sequence[pytest.Item]) -> dict[str, Any]:
        execute(module, source)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                break
        return {"failed": self.failed, "seconds": self.seconds}


def execute(module: ModuleType, source: str) -> None:
    """Execute a module's changed source in its place; names that others have imported from it are replaced, too."""
    names = vars(module)
    before = dict(names)
    exec(compile(source, str(module.__file__), "exec"), names)
    changed = {name: value for name, value in before.items() if not name.startswith("__") and names[name] is not value}
    for other in list(sys.modules.values()):
        for name, value in changed.items():
            if getattr(other, "__dict__", {}).get(name) is value:
                setattr(other, name, names[name])


def in_fork(call: Callable[[], dict[str, Any]], patience: float) -> tuple[int | None, dict[str, Any]]:
    """What a call returns in a fork, with its exit code: 1 if it raised, None if it took too long (seconds)."""
    with tempfile.NamedTemporaryFile("r") as told:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with contextlib.suppress(BaseException):
                Path(told.name).write_text(json.dumps(call()))
                os._exit(0)
            os._exit(1)
        code = _wait(pid, patience)
        return code, json.loads(told.read() or "{}")


def _wait(pid: int, patience: float) -> int | None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)  # what it has started, too
    os.waitpid(pid, 0)
    return None


class Load:
    """Stands in for the `subprocess.Popen([python, "-c", code, ...])` of test_hub.py: a fork, with the mutant in it."""

    def __init__(self, command: Sequence[str], env: dict[str, str], **streams: Any) -> None:
        self.files = [os.memfd_create(name) for name in ("out", "err")]
        self.pid = os.fork()
        if self.pid == 0:
            for number, file in enumerate(self.files, 1):
                os.dup2(file, number)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.environ.update(env)
            sys.argv = ["-c", *command[3:]]
            with contextlib.suppress(BaseException):
                exec(command[2], {"__name__": "__main__"})
                sys.stdout.flush()
                os._exit(0)
            os._exit(1)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for the end; the text of both streams."""
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        out, err = (os.pread(file, os.fstat(file).st_size, 0).decode() for file in self.files)
        return out, err


def try_module(module: str, choose: Callable[[list[Mutant]], list[Mutant]], longest: float) -> list[Verdict]:
    """All verdicts on one module, from a fork of this process."""

    def call() -> dict[str, Any]:
        trial = Trial(module, choose, longest)
        options = ["-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "--no-header"]
        if pytest.main([*options, *TESTS[module]], plugins=[trial]) != 0:
            raise RuntimeError(f"the tests of {module} cannot be collected, or fail without a change")
        return {"verdicts": [asdict(verdict) for verdict in trial.verdicts]}

    code, told = in_fork(call, 24 * 3600)
    if code != 0:
        raise SystemExit(f"{module}: pytest tells above why there is nothing to report")
    return [Verdict(**verdict) for verdict in told["verdicts"]]


def summary(verdicts: Sequence[Verdict]) -> str:
    """A row for each module, and one for all."""
    rows = []
    for module in [*dict.fromkeys(v.module for v in verdicts), "all"]:
        counts = Counter(v.status for v in verdicts if module in (v.module, "all"))
        made, noticed = counts.total(), counts["killed"] + counts["timeout"]
        figures = made, counts["killed"], counts["timeout"], counts["survived"]
        rows.append([module, *map(str, figures), f"{100 * noticed / made:.1f}"])
    return text_table(["module", "mutants", "killed", "timeout", "survived", "noticed, %"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the mutation run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS), help="such as pipeline.tile (all)")
    parser.add_argument("--sample", type=int, default=10**6, help="so many mutants of a module at most")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--examples", type=int, default=10, help="for each property test")
    parser.add_argument("--longest", type=float, default=60, help="seconds that a test may take to be run at all")
    parser.add_argument("--again", type=Path, help="JSON of an earlier run: only what survived there")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "robustness")
    options = parser.parse_args(arguments)
    settings.register_profile(
        "mutants",
        derandomize=True,
        deadline=None,
        max_examples=options.examples,
        phases=[Phase.explicit, Phase.generate],  # a failure is enough, it need not be a small one
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    earlier = json.loads(options.again.read_text())["mutants"] if options.again else []
    again = {(v["module"], v["line"], v["change"]) for v in earlier if v["status"] == "survived"}

    def choose(module: str, mutants: list[Mutant]) -> list[Mutant]:
        if options.again:
            return [mutant for mutant in mutants if (module, mutant.line, mutant.change) in again]
        return random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))

    verdicts: list[Verdict] = []
    for module in options.modules:
        verdicts += try_module(module, partial(choose, module), options.longest)
        write_json(options.out / "mutants.json", {"mutants": [asdict(v) for v in verdicts]})
    print(summary(verdicts))
    return 0
