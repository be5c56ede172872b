"""How the ROS 2 node ends: quietly by a signal in every phase, with one line for what does not fit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testing import ROOT

pytest.importorskip("rclpy", reason="needs the extra ros2 (make test-ros2), or a sourced ROS 2 installation")

from testing.ros2_world import NODE, PATIENCE, pair, peer, private_world, ros_arguments

Start = Callable[[list[str]], Any]
ODD = [sys.executable, str(ROOT / "tests" / "ros" / "odd_nodes.py"), "ros2"]
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, str]]:
    with private_world() as environment:
        yield environment


@pytest.fixture
def start(world: dict[str, str]) -> Iterator[Start]:
    """A function that starts a program with pipes; all are gone in the end."""
    started: list[subprocess.Popen[str]] = []

    def run(command: list[str]) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=world, text=True, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def assert_quiet_end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """After the signal, and another one."""
    process.send_signal(number)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in said) == (0, False), said


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Whether the node has come so far: Python by itself catches SIGINT only."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return False


@SIGNALS
def test_a_signal_while_it_imports(start: Start, number: signal.Signals) -> None:
    process = start(NODE)
    deadline = time.monotonic() + PATIENCE
    while not catches_sigterm(process):
        assert time.monotonic() < deadline
    assert_quiet_end(process, number)


@SIGNALS
def test_a_signal_while_weights_load(start: Start, number: signal.Signals) -> None:
    process = start([*ODD, "endless"])
    assert process.stdout.readline() == "loading\n"
    assert_quiet_end(process, number)


@SIGNALS
def test_a_signal_while_nothing_comes(start: Start, number: signal.Signals) -> None:
    process = start([*ODD, "nearest"])
    with peer() as there:
        there.await_node()
        assert_quiet_end(process, number)


@SIGNALS
def test_a_signal_while_a_frame_is_in_work(start: Start, number: signal.Signals) -> None:
    process = start([*ODD, "slow", *ros_arguments(lazy="false")])
    with peer() as there:
        there.await_node(answers=False)
        there.send(*pair(0))
        assert process.stdout.readline() == "working\n"
        assert_quiet_end(process, number)


def test_an_upsampler_that_breaks_ends_the_node(start: Start) -> None:
    process = start([*ODD, "broken", *ros_arguments(lazy="false")])
    with peer() as there:
        there.await_node(answers=False)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            there.send(*pair(0))
            time.sleep(0.1)
        _, said = process.communicate()
    assert process.returncode == 1
    assert "RuntimeError: the accelerator is gone" in said


@pytest.mark.parametrize(
    ("values", "words"),
    [({"weights": 5}, "weights must be a text, got 5"), ({"scale": 99}, "scale"), ({"weights": "none"}, "none")],
)
def test_parameters_that_do_not_fit_are_one_line(start: Start, values: dict[str, object], words: str) -> None:
    process = start([*NODE, *ros_arguments(**values)])
    _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in said) == (1, False), said
    assert words in said
