"""Load the demo page with twice its capacity: `python -m robustness page --minutes 5`, in an environment with Gradio.

Twice as many visitors as can be served and wait upload files of their own through HTTP, ask for a run and download the
result. Each must get the very array that the API gives for its files, or be refused in plain words. Watched are the
server's resident size and its temporary files, of which it may keep little here (`--kept`), so that the bound is met.
Linux only (/proc).
"""

import io
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from robustness.page.visitors import Server, Visitor, fetch, files_of, serving
from robustness.processes.load import WARM_UP, growth, table_rows
from testing.memory import resident_mb

MOST_GROWTH_MB = 64.0  # of the server after the warm-up
TOLD = ("Queue is full", "too many uploads at once")  # refusals in plain words
RGB_SIZE, LR_SIZE = (96, 128), (12, 16)


@dataclass(frozen=True)
class Visits:
    """The outcomes of the requests; sizes in MB, latencies of served visitors in seconds."""

    visitors: int
    seconds: float
    asked: int
    answered: int
    refused: dict[str, int]
    wrong: list[str]
    latency_p50: float
    latency_p99: float
    warm_mb: float
    end_mb: float
    growth_mb: float
    most_files_mb: float
    end_files_mb: float
    kept_mb: float
    page_after_s: float
    run_after_s: float

    @property
    def failures(self) -> list[str]:
        """Broken promises; [] if all is well."""
        rules = {
            f"grown by {self.growth_mb:.1f} MB": self.growth_mb > MOST_GROWTH_MB,
            "nobody was served": not self.answered,
            "requests were lost": self.asked != self.answered + sum(self.refused.values()) + len(self.wrong),
        }
        return [*self.wrong, *(rule for rule, broken in rules.items() if broken)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: exit code 1 if something was lost or wrong, or grew."""
    parser = command_line(__doc__, "robustness")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--kept", type=int, default=32, help="MiB of temporary files that the server may keep")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        with serving(Path(temporary), torch.get_num_threads(), options.kept * 2**20) as server:
            visits = crowd(server, 60 * options.minutes, options.kept, options.seed)
        left = [path.name for path in Path(temporary).iterdir() if path.name != "log.txt"]
    content = {**asdict(visits), "left_after_the_end": left, "failures": visits.failures}
    print(text_table(["page", ""], table_rows(content)), flush=True)
    write_json(options.out / "page.json", content)
    return int(bool(visits.failures or left))


def crowd(server: Server, seconds: float, kept_mb: float, seed: int = 0, pause: float = 1.0) -> Visits:
    """Send more visitors than fit into the queue; each asks again as soon as it has its answer, for so many seconds."""
    from bridgenet_infer.demo.page import QUEUE

    upsampler = DepthUpsampler.from_pretrained("default", device="cpu")
    answered: list[float] = []
    refused: Counter[str] = Counter()
    wrong: list[str] = []
    asked = [0] * (2 * (QUEUE + 1))
    start = time.monotonic()

    def visit(number: int) -> None:
        rng = np.random.default_rng([seed, number])
        while time.monotonic() < start + seconds:
            asked[number] += 1
            began = time.monotonic()
            try:
                told = ask_once(server, upsampler, rng, f"v{number}n{asked[number]}")
            except Exception as error:  # a visitor must not leave unseen
                wrong.append(f"{type(error).__name__}: {error}")
                continue
            if told:
                refused[told] += 1
                time.sleep(0.2)  # as somebody who reads that
            else:
                answered.append(time.monotonic() - began)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(len(asked))]
    for visitor in visitors:
        visitor.start()
    sizes, files = [], []
    while any(visitor.is_alive() for visitor in visitors):
        sizes.append((time.monotonic() - start, resident_mb(server.process.pid)))
        files.append(files_mb(server.folder))
        time.sleep(pause)
    took = time.monotonic() - start
    began = time.monotonic()
    fetch(server.address)
    page_after = time.monotonic() - began
    if told := ask_once(server, upsampler, np.random.default_rng([seed, len(asked)]), "afterwards"):
        wrong.append(f"afterwards: {told}")
    warm = sizes[int(WARM_UP * len(sizes)) :]
    p50, p99 = (float(np.percentile(answered or [0.0], percent)) for percent in (50, 99))
    return Visits(
        len(asked), took, sum(asked), len(answered), dict(refused), wrong, p50, p99, warm[0][1], warm[-1][1],
        growth(warm), max(files), files[-1], kept_mb, page_after, time.monotonic() - began - page_after,
    )  # fmt: skip


def ask_once(server: Server, upsampler: DepthUpsampler, rng: np.random.Generator, session: str) -> str:
    """One visit with new files; the text of a refusal, or "" if the visitor got its result.

    Raises
    ------
    RuntimeError
        If the answer is another one.
    """
    rgb, lr_depth = rng.integers(0, 256, (*RGB_SIZE, 3), np.uint8), rng.integers(500, 4000, LR_SIZE).astype(np.uint16)
    visitor = Visitor(server.address, session)
    try:
        files = [visitor.upload(name, png(array)) for name, array in (("rgb.png", rgb), ("depth.png", lr_depth))]
    except RuntimeError as error:
        return _told(str(error))
    status, text = visitor.ask("own files", rgb=files[0], depth=files[1])
    if status != 200:
        return _told(text)
    output = visitor.outcome()
    if "data" not in output:
        raise RuntimeError(f"an error: {output}")
    status, content = fetch(f"{server.address}/gradio_api/file={files_of(output)[0]}")
    if status != 200:
        raise RuntimeError(f"the result cannot be had: {status}")
    if not np.array_equal(np.asarray(Image.open(io.BytesIO(content))), upsampler(rgb, lr_depth)):
        raise RuntimeError("another result than the API's")
    return ""


def png(array: Array) -> bytes:
    """As a PNG file."""
    Image.fromarray(array).save(data := io.BytesIO(), "PNG")
    return data.getvalue()


def files_mb(folder: Path) -> float:
    """Size of all files below a folder in megabytes; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).stat().st_size
            except FileNotFoundError:
                continue
    return total / 1e6


def _told(text: str) -> str:
    for words in TOLD:
        if words in text:
            return words
    raise RuntimeError(f"refused in other words: {text}")
