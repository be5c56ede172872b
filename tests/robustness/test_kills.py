"""Commands killed at random moments: `robustness.processes.kills` in short, and rare moments by hand."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="needs the extra bags")
from robustness.processes.kills import kill_often, marked, still_running
from robustness.processes.programs import MARK, Program, make_programs
from testing import ROOT
from testing.hub_server import HubServer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds what was started in /proc")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    with HubServer() as server:
        server.pause = 0.02
        made = make_programs(tmp_path_factory.mktemp("kills") / "inputs", server)
        yield {program.name: program for program in made}


@pytest.mark.parametrize(
    ("name", "kills"), [("folder", 3), ("folder, replacing", 2), ("bag, sqlite3, replacing", 3), ("download", 2)]
)
def test_kills_lose_nothing_and_reruns_finish(
    programs: dict[str, Program], tmp_path: Path, name: str, kills: int
) -> None:
    tally = kill_often(programs[name], kills, tmp_path, seed=1)
    assert tally.complaints == []
    assert (tally.counts["kills"], tally.counts["finished"]) == (kills, tally.counts["reruns"])


def test_a_killed_training_leaves_no_workers(tmp_path: Path) -> None:
    code = "from training.pool import PoolPlan, build_pool; build_pool(PoolPlan(64, 10**6, 0, 0, 1), [], 1)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, MARK: str(tmp_path)})
    while len(marked(tmp_path)) < 2:  # beside it multiprocessing's own helper, or a worker already
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(3)
    process.kill()
    process.wait()
    left = still_running(tmp_path)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
