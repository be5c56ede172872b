"""Thousands of frames through a `DepthStream`: `python -m benchmarks.robots.soak --frames 10000`.

Three ways to feed it, every frame in arrays of its own: "blocking" (nothing is dropped, each frame is worked on),
"camera" (as often as the up-sampler alone can follow, so that some frames come too early) and "flood" (ten times as
often). Measured are the resident size after the warm-up, in the middle and at the end, and whether every frame is
accounted for. Linux only (/proc).
"""

import time
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.stream import DepthStream, StreamResult
from testing.memory import resident_mb

RGB_SIZE, LR_SIZE = (48, 64), (12, 16)
FEEDS: dict[str, tuple[Literal["none", "oldest"], float]] = {  # what is dropped; frames per frame that can be worked on
    "blocking": ("none", float("inf")),
    "camera": ("oldest", 1.0),
    "flood": ("oldest", 10.0),
}


@dataclass(frozen=True)
class Soak:
    """Counts of one run, `published` by its callback; resident sizes in MB after warm-up, in the middle, at the end."""

    submitted: int
    finished: int
    dropped: int
    failed: int
    published: int
    in_order: bool
    start_mb: float
    middle_mb: float
    end_mb: float
    latency_p50_ms: float
    latency_p99_ms: float
    seconds: float

    @property
    def unaccounted(self) -> int:
        """Frames submitted that were neither finished nor dropped."""
        return self.submitted - self.finished - self.dropped - self.failed


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "soak", "default")
    parser.add_argument("--frames", type=int, default=10000)
    parser.add_argument("--feeds", nargs="+", choices=list(FEEDS), default=list(FEEDS))
    options = parser.parse_args()
    upsampler = DepthUpsampler.from_pretrained(options.weights)
    runs = {}
    for feed in options.feeds:
        runs[feed] = soak(upsampler, options.frames, feed)
        rows = [[name, f"{value:.1f}" if isinstance(value, float) else str(value)]
                for name, value in (*asdict(runs[feed]).items(), ("unaccounted", runs[feed].unaccounted))]  # fmt: skip
        print(text_table([feed, ""], rows), flush=True)
    content = {feed: {**asdict(run), "unaccounted": run.unaccounted} for feed, run in runs.items()}
    write_result(options.out / "soak.json", {"runs": content}, [upsampler])


def soak(upsampler: DepthUpsampler, frames: int, feed: str, warm_up: int = 100) -> Soak:
    """Feed `frames` frames one of the ways of `FEEDS`, after some that are not counted."""
    rng = np.random.default_rng(0)
    times = []
    for _ in range(warm_up):
        start = time.perf_counter()
        upsampler(*frame(rng))
        times.append(time.perf_counter() - start)
    drop, speed = FEEDS[feed]
    interval = float(np.median(times)) / speed  # not the mean: one stall would slow down the whole run
    sequences: list[int] = []

    def publish(result: StreamResult) -> None:
        if result.depth.shape != RGB_SIZE:
            raise ValueError(f"a result of {result.depth.shape}")
        sequences.append(result.sequence)

    before = middle = resident_mb()
    start = time.perf_counter()
    with DepthStream(upsampler, drop=drop, on_result=publish) as stream:
        for index in range(frames):
            stream.submit(*frame(rng), stamp=index)
            if index == frames // 2:
                middle = resident_mb()
            pause = start + (index + 1) * interval - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
    end, counts = resident_mb(), stream.statistics
    return Soak(
        counts.submitted, counts.finished, counts.dropped, counts.failed, len(sequences),
        sequences == sorted(set(sequences)), before, middle, end, 1000 * counts.latency_p50, 1000 * counts.latency_p99,
        time.perf_counter() - start,
    )  # fmt: skip


def frame(rng: np.random.Generator) -> tuple[Array, Array]:
    """RGB (48, 64, 3) uint8 and LR depth (12, 16) uint16 millimetres of noise."""
    return rng.integers(0, 256, (*RGB_SIZE, 3), np.uint8), rng.integers(500, 4000, LR_SIZE, np.uint16)


if __name__ == "__main__":
    main()
