"""--ray: the same bytes as the command's, a worker killed in mid-run, bad files as rows, reruns."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from bridgenet_infer.cli import main
from bridgenet_infer.cli.options import parse_options
from testing.tiny import write_pair

pytest.importorskip("ray", reason="needs Ray: pip install '.[ray]'")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds Ray's processes in /proc")

ROOT = Path(__file__).parents[2]
PAIRS, BAD, BATCH = 200, "007", 8
SECONDS = 300  # Ray takes ten to start, on a busy machine a minute


@dataclass
class Folders:
    """Where pairs lie, and the weights."""

    base: Path
    checkpoint: Path

    def arguments(self, out: str) -> list[str]:
        rgb, depth, output = (str(self.base / name) for name in ("rgb", "depth", out))
        return [rgb, depth, "-o", output, "--weights", str(self.checkpoint), "--device", "cpu", "--json"]

    def start(self, out: str, *more: str) -> subprocess.Popen[str]:
        """A run on two workers; what Ray starts for it carries the folder's name in its environment."""
        return subprocess.Popen(
            [sys.executable, "-m", "bridgenet_infer.cli", *self.arguments(out), "--ray", "--ray-workers", "2", *more],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_TEST_FOLDER": str(self.base)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(self, out: str) -> dict[str, int]:
        """Results with their inodes: a file that is written again gets another."""
        folder = self.base / out
        return {path.name: path.stat().st_ino for path in folder.glob("[!.]*")} if folder.exists() else {}

    def workers(self) -> list[int]:
        """Processes of our actors."""
        mark = f"RAY_TEST_FOLDER={self.base}".encode()
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_worker(path, mark)]


def _is_worker(process: Path, mark: bytes) -> bool:
    try:
        title, environment = ((process / name).read_bytes() for name in ("cmdline", "environ"))
    except OSError:  # gone, or not ours
        return False
    return title.startswith(b"ray::MapWorker") and mark in environment.split(b"\0")


def end(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """Document and stderr of a run."""
    try:
        out, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # Ray ends its processes
        _, errors = process.communicate(timeout=60)
        pytest.fail(f"still running after {SECONDS} s: {errors}")
    assert out, errors
    document: dict[str, Any] = json.loads(out)
    return document, errors


@pytest.fixture
def folders(tmp_path: Path, tiny_checkpoint: Path) -> Folders:
    for name in ("rgb", "depth"):
        (tmp_path / name).mkdir()
    for i in range(PAIRS):
        write_pair(tmp_path / "rgb" / f"{i:03}.png", tmp_path / "depth" / f"{i:03}.png", i)
    bad = tmp_path / "depth" / f"{BAD}.png"
    bad.write_bytes(bad.read_bytes()[:60])
    return Folders(tmp_path, tiny_checkpoint)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the workers: sums over another number of threads round differently
    yield
    torch.set_num_threads(threads)


def test_two_workers_one_killed(folders: Folders, one_thread: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folders.arguments("alone")) == 1
    alone = json.loads(capsys.readouterr().out)
    process = folders.start("out", "--ray-batch", str(BATCH))
    deadline = time.monotonic() + SECONDS
    while len(before := folders.finished("out")) < PAIRS // 10:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(folders.workers()[0], signal.SIGKILL)
    document, errors = end(process)
    assert process.returncode == 1

    good = {f"{i:03}.png" for i in range(PAIRS)} - {f"{BAD}.png"}
    after = folders.finished("out")
    assert set(after) == good
    assert before.items() <= after.items()  # nothing was done twice
    for name in good:
        assert (folders.base / "out" / name).read_bytes() == (folders.base / "alone" / name).read_bytes()
    rows = document["results"]
    assert [Path(row["output"]).stem for row in rows] == [f"{i:03}" for i in range(PAIRS)]
    assert all(re.fullmatch(r".+:\d+", row["worker"]) for row in rows)  # busy machines may start one too late
    (failed,) = (row for row in rows if row["status"] == "failed")
    (expected,) = (row for row in alone["results"] if row["status"] == "failed")
    assert failed["reason"] == expected["reason"]
    assert f"bridgenet-upsample: error: {failed['reason']}" in errors.splitlines()
    # what the killed worker had finished of its batch was found there
    assert document["counts"]["skipped"] <= BATCH
    assert sum(document["counts"].values()) == PAIRS

    (folders.base / "depth" / f"{BAD}.png").unlink()
    process = folders.start("out")
    document, _ = end(process)
    assert process.returncode == 0
    assert document["counts"] == {"written": 0, "skipped": PAIRS - 1, "failed": 0}
    assert folders.finished("out") == after
    assert not [path for path in (folders.base / "out").iterdir() if ".try" in path.name]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_without_ray_is_told_at_once(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # without listening: every connection is refused
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
        for named in (address, "auto"):
            began = time.monotonic()
            assert main([*folders.arguments("out"), "--ray", named]) == 1
            assert time.monotonic() - began < 10
            error = capsys.readouterr().err
            assert error.startswith(f"bridgenet-upsample: error: no Ray cluster answers at --ray {address}: ")
            assert error.count("\n") == 1
            monkeypatch.setenv("RAY_ADDRESS", address)
    assert list((folders.base / "out").iterdir()) == []


def test_a_pair_on_which_workers_die_is_given_up(folders: Folders, one_thread: None) -> None:
    from bridgenet_infer.cli.pairs import Pair
    from bridgenet_infer.cli.ray import ATTEMPTS, CLAIM, Worker, as_row

    out = folders.base / "out"
    out.mkdir()
    pairs = [Pair(*(folders.base / kind / f"00{i}.png" for kind in ("rgb", "depth", "out")), None) for i in range(2)]
    for attempt in range(ATTEMPTS):
        (out / f".000.png{CLAIM}{attempt}.part").touch()
    (out / f".001.png{CLAIM}0.part").touch()
    rows = [as_row(number, pair) for number, pair in enumerate(pairs)]
    columns = Worker(parse_options(folders.arguments("out")))({name: [row[name] for row in rows] for name in rows[0]})
    assert columns["status"] == ["failed", "written"]
    assert "3 workers died" in columns["reason"][0]
    assert [path.name for path in out.iterdir()] == ["001.png"]
