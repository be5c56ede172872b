"""Folders of any size on Ray: `python -m bridgenet_infer.cli.ray_batch RGB DEPTH -o OUT [--address auto]`.

What bridgenet-upsample does to two folders, spread over actors that each hold the network: on the cores of this
machine, or with --address on a cluster whose nodes see the folders under the same paths. Every other option is
bridgenet-upsample's, and so are files, reports and exit codes. A rerun does only what is missing.
"""

from __future__ import annotations

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

from PIL import Image
from tqdm import tqdm

from bridgenet_infer.cli.command import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, PIXEL_LIMIT
from bridgenet_infer.cli.options import parse_options
from bridgenet_infer.cli.pairs import Pair, find_pairs
from bridgenet_infer.cli.process import Job, Outcome, describe
from bridgenet_infer.cli.report import as_document, errors, has_failed, in_words
from bridgenet_infer.files import PART

ATTEMPTS = 3
LOST = f"a worker died on it {ATTEMPTS} times: too little memory, or a file that crashes a decoder"
CLAIM = ".try"  # and a number: marks a pair that somebody has in hand
FIELDS = ("rgb", "depth", "output", "preview")
Columns = dict[str, list[Any]]


class Worker:
    """One actor: its process loads the weights once and works through batches of pairs."""

    def __init__(self, options: argparse.Namespace, cores: int) -> None:
        import torch

        os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
        Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
        torch.set_num_threads(cores)
        self.job = Job(options)
        network = self.job.upsampler()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.about = {"worker": self.name, "sha256": network.sha256, "device": str(network.device)}

    def __call__(self, batch: dict[str, Any]) -> Columns:
        """Rows that name a pair's files -> rows with what became of it."""
        rows = [self._work(*row) for row in zip(*(batch[name] for name in FIELDS), strict=True)]
        return {"number": list(batch["number"]), **{name: [row[name] for row in rows] for name in rows[0]}}

    def _work(self, rgb: str, depth: str, output: str, preview: str) -> dict[str, str]:
        pair = Pair(Path(rgb), Path(depth), Path(output), Path(preview) if preview else None)
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


def spread(
    pairs: dict[int, Pair], options: argparse.Namespace, layout: argparse.Namespace
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of numbered pairs, as they come; OSError if Ray gives up, as it does without weights."""
    import ray
    from ray.data import ActorPoolStrategy

    if options.device == "auto" and not layout.gpus:
        options.device = "cpu"  # of a GPU that Ray does not know, workers must not all take hold
    rows = [as_row(number, pair) for number, pair in pairs.items()]
    blocks = -(-len(rows) // layout.batch)  # a block is what one call works on, and what is repeated after a death
    dataset = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        Worker,
        fn_constructor_args=(options, layout.cores),
        batch_size=None,
        compute=ActorPoolStrategy(
            size=min(layout.workers, blocks),
            max_concurrent_calls_per_actor=layout.threads,
            enable_true_multi_threading=layout.threads > 1,
        ),
        num_cpus=layout.cores,
        num_gpus=layout.gpus,
    )
    try:
        for row in dataset.iter_rows():
            number = int(row["number"])
            yield number, Outcome(pairs[number], row["status"], row["reason"], json.loads(row["figures"]))
    except ray.exceptions.RayError as error:  # long, and ends with what the worker raised
        raise OSError(str(error).strip().splitlines()[-1]) from error


def work_through(pairs: Sequence[Pair], options: argparse.Namespace, layout: argparse.Namespace) -> list[Outcome]:
    """One outcome for each pair, in their order."""
    outcomes = dict(finished_before(pairs, options))
    missing = {i: pair for i, pair in enumerate(pairs) if i not in outcomes}
    failed = 0
    with tqdm(total=len(pairs), initial=len(outcomes), unit="pair", disable=None) as bar:
        for number, outcome in run_on_ray(missing, options, layout) if missing else ():
            outcomes[number] = outcome
            failed += outcome.status == "failed"
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
    return [outcomes[i] for i in range(len(pairs))]


def finished_before(pairs: Sequence[Pair], options: argparse.Namespace) -> Iterator[tuple[int, Outcome]]:
    """The pairs that an earlier run has done, from one look into the folder."""
    if options.overwrite or any(options.output.samefile(folder) for folder in (options.rgb, options.depth)):
        return
    there = {entry.name for entry in os.scandir(options.output)}
    for number, pair in enumerate(pairs):
        if all(target.name in there for target in pair.targets):
            yield number, Outcome(pair, "skipped", "finished before")


def run_on_ray(
    missing: dict[int, Pair], options: argparse.Namespace, layout: argparse.Namespace
) -> Iterator[tuple[int, Outcome]]:
    """`spread` on a cluster, or on a Ray that is started for it and ended after it."""
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"this needs Ray: pip install 'bridgenet-infer[ray]' ({error})") from error
    for left in options.output.glob(f".*{CLAIM}[0-9]{PART}"):  # of a run that was killed as a whole
        left.unlink(missing_ok=True)
    with redirect_stdout(sys.stderr):  # Ray has its say on both
        try:
            connect(layout)
            yield from spread(missing, options, layout)
        finally:
            ray.shutdown()


def connect(layout: argparse.Namespace) -> None:
    """Join a cluster or start Ray here, and settle how many workers there are and what each has."""
    import ray
    from ray.data import DataContext

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = layout.address or os.environ.get("RAY_ADDRESS", "local")
    own: dict[str, Any] = {}
    if address == "local":
        own = {"num_cpus": max(os.cpu_count() or 1, (layout.workers or 1) * layout.cores), "include_dashboard": False}
    ray.init(address=address, logging_level="warning", **own)
    DataContext.get_current().enable_progress_bars = False  # ours counts pairs
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    there = ray.cluster_resources()
    if layout.gpus is None:
        layout.gpus = 1.0 if there.get("GPU") else 0.0
    if layout.workers is None:
        cores = there.get("CPU", 1) // layout.cores
        layout.workers = max(1, int(min(cores, there.get("GPU", 0) // layout.gpus) if layout.gpus else cores))


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, argparse.Namespace]:
    """Options of the work, as bridgenet-upsample's, and of its layout."""
    parser = argparse.ArgumentParser(
        prog="python -m bridgenet_infer.cli.ray_batch", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--address", help="of a Ray cluster: auto or host:port (default: $RAY_ADDRESS, else Ray is started)"
    )
    parser.add_argument("--workers", type=int, help="actors (default: as many as there are cores or GPUs for)")
    parser.add_argument("--cores", type=int, default=1, help="cores of each worker (default: 1)")
    parser.add_argument("--gpus", type=float, help="GPUs of each worker, shares too (default: 1 where there are GPUs)")
    parser.add_argument("--threads", type=int, default=1, help="pairs that a worker has in hand at once (default: 1)")
    parser.add_argument("--batch", type=int, default=8, help="pairs handed to a worker at once (default: 8)")
    layout, rest = parser.parse_known_args(arguments)
    for name in ("workers", "cores", "threads", "batch"):
        if getattr(layout, name) is not None and getattr(layout, name) < 1:
            parser.error(f"--{name} must be at least 1")
    options = parse_options(rest)
    if options.doctor or not options.rgb.is_dir():
        parser.error("RGB and DEPTH must be two folders; bridgenet-upsample does the rest")
    for name in ("rgb", "depth", "output"):  # workers have working directories of their own
        setattr(options, name, getattr(options, name).absolute())
    is_path = os.sep in options.weights or options.weights.endswith(".safetensors")  # names of checkpoints never are
    if is_path and Path(options.weights).exists():
        options.weights = str(Path(options.weights).absolute())
    return options, layout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and return the exit code."""
    options, layout = parse(arguments)
    try:
        pairs, left_out = find_pairs(options)
        job = Job(options)
        job.prepare()
        outcomes = work_through(pairs, options, layout)
    except KeyboardInterrupt:
        print("interrupted; run again to continue", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {describe(error)}", file=sys.stderr)
        return EXIT_FAILED
    for line in errors(outcomes):
        print(f"error: {line}", file=sys.stderr)
    document = as_document(job, outcomes, left_out)
    del document["network"]  # here each row names its worker's
    print(json.dumps(document, indent=2) if options.json else in_words(job, outcomes, left_out))
    return EXIT_FAILED if has_failed(outcomes, left_out) else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
