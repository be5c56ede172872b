"""Start Python commands in processes forked from one that has imported everything, which saves seconds for each."""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from testing import ROOT

IMPORTED = ["bridgenet_infer.upsampler", "bridgenet_infer.cli.command", "bridgenet_infer.cli.process",
            "bridgenet_infer.bags.upsample", "training.train", "matplotlib.pyplot", "tqdm"]  # fmt: skip


@dataclass(frozen=True)
class Running:
    """A process, and the file that holds its output."""

    process: BaseProcess | subprocess.Popen[bytes]
    log: Path

    def wait(self, seconds: float) -> int | None:
        """Its exit code, the signal's number below zero if it was killed; None if it goes on for so long."""
        if isinstance(self.process, BaseProcess):
            self.process.join(seconds)
            return self.process.exitcode
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """By SIGKILL."""
        self.process.kill()
        self.wait(60)

    def said(self) -> str:
        """All that it said, once: the file is gone then."""
        text = self.log.read_text(errors="replace")
        self.log.unlink()
        return text


def start(call: Sequence[str], environment: Mapping[str, str], python: str) -> Running:
    """`python -m MODULE ...`, from the root of the repository; another Python than this one is started anew."""
    descriptor, log = tempfile.mkstemp(prefix="robustness-", suffix=".log")
    if python != sys.executable:
        everything = {**os.environ, **environment}
        with os.fdopen(descriptor, "wb") as file:
            popen = subprocess.Popen([python, *call], cwd=ROOT, env=everything, stdout=file, stderr=file)
        return Running(popen, Path(log))
    os.close(descriptor)
    os.environ["OMP_NUM_THREADS"] = "1"  # read when the process to fork from imports torch
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_run, args=(list(call), dict(environment), log))
    process.start()
    return Running(process, Path(log))


def _run(call: list[str], environment: Mapping[str, str], log: str) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ.update(environment)
    _, module, *arguments = call
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
