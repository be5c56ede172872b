"""The option --ray: it spreads the pairs of two folders over workers on Ray, each of which holds the network.

They run on the cores of this machine, or on a cluster whose nodes see the folders under the same paths. A worker that
dies is replaced; a rerun does only what is missing.
"""

import argparse
import json
import logging
import os
import resource
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..files import PART
from .pairs import Pair
from .process import Job, Outcome

ATTEMPTS = 3
LOST = f"{ATTEMPTS} workers died while they computed it: memory is short, or the file crashes a decoder"
CLAIM = ".try"  # and a number: marks a pair that somebody has in hand
ANSWER_WITHIN = 5.0  # seconds
FIELDS = ("rgb", "depth", "output", "preview", "camera", "error")
Columns = dict[str, list[Any]]


class RayJob(Job):
    """A `Job` of two folders whose pairs are worked through by the Jobs of many workers; it loads no network itself."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(_for_workers(options))

    def prepare(self) -> None:
        """As a Job's; claims are cleared too, of a run that was killed as a whole."""
        super().prepare()
        for left in self.options.output.glob(f".*{CLAIM}[0-9]{PART}"):
            left.unlink(missing_ok=True)

    def run(self, pairs: list[Pair]) -> Iterator[Outcome]:
        """Work through the pairs, one outcome each, as they come; Ray is not even started if all are finished.

        Raises
        ------
        ImportError
            If Ray is not installed.
        OSError
            If Ray gives up, as it does where weights, device or precision are not to be had.
        """
        self.prepare()
        missing = []
        for pair, is_finished in zip(pairs, self._finished_before(pairs), strict=True):
            if is_finished:
                yield Outcome(pair, "skipped", "finished before")
            else:
                missing.append(pair)
        if missing:
            yield from self._run_on_ray(missing)

    def _finished_before(self, pairs: Sequence[Pair]) -> Iterator[bool]:
        """Which pairs an earlier run has done, from one look into the folder."""
        options = self.options
        mixed = any(options.output.samefile(folder) for folder in (options.rgb, options.depth) if folder)
        there = set() if options.overwrite or mixed else {entry.name for entry in os.scandir(options.output)}
        return (all(target.name in there for target in pair.targets) for pair in pairs)

    def _run_on_ray(self, pairs: Sequence[Pair]) -> Iterator[Outcome]:
        """On a cluster, or on a Ray that is started for it and ended after it."""
        try:
            import ray
        except ImportError as error:
            raise ImportError(f"this needs Ray: pip install 'bridgenet-infer[ray]' ({error})") from error
        with redirect_stdout(sys.stderr):  # Ray has its say on both
            try:
                connect(self.options)
                yield from spread(pairs, self.options)
            finally:
                ray.shutdown()


class Worker:
    """One actor: its process loads the weights once and works through batches of pairs."""

    def __init__(self, options: argparse.Namespace) -> None:
        import cv2
        import torch

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # as the command's, by a variable
        torch.set_num_threads(options.ray_cores)
        self.job = Job(options)
        network = self.job.upsampler()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.about = {"worker": self.name, "sha256": network.sha256, "device": str(network.device)}

    def __call__(self, batch: dict[str, Any]) -> Columns:
        """Rows that name the files of pairs -> rows with the outcomes of these pairs."""
        rows = [self._work(*row) for row in zip(*(batch[name] for name in FIELDS), strict=True)]
        return {"number": list(batch["number"]), **{name: [row[name] for row in rows] for name in rows[0]}}

    def _work(self, rgb: str, depth: str, output: str, *more: str) -> dict[str, str]:
        pair = Pair(Path(rgb), Path(depth), Path(output), *(Path(path) if path else None for path in more))
        with claim(pair.output) as granted:  # Ray repeats the batch of a dead worker, without end
            outcome = self.job.process(pair) if granted else Outcome(pair, "failed", LOST)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)
        figures = outcome.figures | self.about | {"peak_mb": peak}
        return {"status": outcome.status, "reason": outcome.reason, "figures": json.dumps(figures)}


@contextmanager
def claim(output: Path) -> Iterator[bool]:
    """Mark a result as being worked on; False if so many have been at it and never came back."""
    marks = [output.with_name(f".{output.name}{CLAIM}{i}{PART}") for i in range(ATTEMPTS)]
    granted = any(_create(mark) for mark in marks)
    yield granted
    for mark in marks:
        mark.unlink(missing_ok=True)


def _create(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def as_row(number: int, pair: Pair) -> dict[str, Any]:
    """A pair as a row of a Ray dataset."""
    return {"number": number} | {name: str(getattr(pair, name) or "") for name in FIELDS}


def _for_workers(options: argparse.Namespace) -> argparse.Namespace:
    """Options whose paths are absolute: workers have working directories of their own."""
    paths = {name: path.absolute() for name in ("rgb", "depth", "output") if (path := getattr(options, name))}
    is_path = os.sep in options.weights or options.weights.endswith(".safetensors")  # names of checkpoints never are
    if is_path and Path(options.weights).exists():
        paths["weights"] = str(Path(options.weights).absolute())
    return argparse.Namespace(**vars(options) | paths)


def check_reachable(address: str) -> None:
    """Open a connection to the cluster at HOST:PORT or ray://HOST:PORT and close it: Ray itself tries for minutes.

    Raises
    ------
    OSError
        If nothing answers there within `ANSWER_WITHIN` seconds.
    """
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.scheme not in ("", "ray") or place.port is None:  # "auto", or the address of a service that Ray resolves
        return
    try:
        socket.create_connection((place.hostname or "", place.port), ANSWER_WITHIN).close()
    except OSError as error:
        raise OSError(f"no Ray cluster answers at --ray {address}: {error}") from error


def connect(options: argparse.Namespace) -> None:
    """Join a cluster or start Ray here, and settle the number of workers and the cores and GPUs of each."""
    import ray
    from ray.data import DataContext

    check_reachable(os.environ.get("RAY_ADDRESS", options.ray) if options.ray == "auto" else options.ray)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own: dict[str, Any] = {}
    if options.ray == "local":
        cores = max(os.cpu_count() or 1, (options.ray_workers or 1) * options.ray_cores)
        own = {"num_cpus": cores, "include_dashboard": False}
    ray.init(address=options.ray, logging_level="warning", **own)
    DataContext.get_current().enable_progress_bars = False  # ours counts pairs
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    there = ray.cluster_resources()
    if options.ray_gpus is None:
        options.ray_gpus = 1.0 if there.get("GPU") else 0.0
    if options.ray_workers is None:
        room = there.get("CPU", 1) // options.ray_cores
        if options.ray_gpus:
            room = min(room, there.get("GPU", 0) // options.ray_gpus)
        options.ray_workers = max(1, int(room))
    if options.device == "auto" and not options.ray_gpus:
        options.device = "cpu"  # of a GPU that Ray does not know, workers must not all take hold


def spread(pairs: Sequence[Pair], options: argparse.Namespace) -> Iterator[Outcome]:
    """Outcomes of pairs, as they come, on the Ray that `connect` found; OSError if it gives up."""
    import ray
    from ray.data import ActorPoolStrategy

    rows = [as_row(number, pair) for number, pair in enumerate(pairs)]
    blocks = -(-len(rows) // options.ray_batch)  # a block is what one call works on, and what a death repeats
    dataset = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        Worker,
        fn_constructor_args=(options,),
        batch_size=None,
        compute=ActorPoolStrategy(
            size=min(options.ray_workers, blocks),
            max_concurrent_calls_per_actor=options.ray_threads,
            enable_true_multi_threading=options.ray_threads > 1,
        ),
        num_cpus=options.ray_cores,
        num_gpus=options.ray_gpus,
    )
    try:
        for row in dataset.iter_rows():
            yield Outcome(pairs[int(row["number"])], row["status"], row["reason"], json.loads(row["figures"]))
    except ray.exceptions.RayError as error:  # long, and ends with what the worker raised
        raise OSError(str(error).strip().splitlines()[-1]) from error
