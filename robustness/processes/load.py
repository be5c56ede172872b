"""Call one `DepthUpsampler` from many threads: `python -m robustness load --minutes 10 --threads 8`.

Each thread calls it with cases of several sizes, scales, dtypes and tiles in an order of its own, some of which must be
refused. Every result is compared with the one that the same inputs gave beforehand, alone: equal to the bit, as long as
the number of intra-op threads is the same (the table says how much it matters). The resident size is read once a second
and must not grow after the warm-up; a run that ends within the warm-up fails. Linux only (/proc).

A `DepthStream` fed faster than it can work: `python -m benchmarks.robots.soak --frames 3000 --feeds flood`.
"""

import threading
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from testing.memory import resident_mb

WARM_UP = 0.25  # of the time, and
WARM_CALLS = 40  # of each thread: its allocator grows until it has met the large cases
MOST_GROWTH_MB = 16.0  # from the warm-up to the end, by the fitted line; one leaked result in a hundred would be more


@dataclass(frozen=True)
class Case:
    """Inputs of one call, and its expected outcome: an array, or an error's message if it is a string."""

    name: str
    rgb: Array
    lr_depth: Array
    options: dict[str, Any] = field(default_factory=dict)
    expected: Any = None

    def call(self, upsampler: DepthUpsampler) -> Any:
        """The depth, or the message of a ValueError or TypeError."""
        try:
            return upsampler(self.rgb, self.lr_depth, **self.options)
        except (ValueError, TypeError) as error:
            return str(error)

    def is_met_by(self, outcome: Any) -> bool:
        """Same error, or same dtype, shape and bits."""
        if isinstance(self.expected, str) or isinstance(outcome, str):
            return isinstance(outcome, type(self.expected)) and bool(outcome == self.expected)
        return bool(
            outcome.dtype == self.expected.dtype
            and outcome.shape == self.expected.shape
            and outcome.tobytes() == self.expected.tobytes()
        )


@dataclass(frozen=True)
class Load:
    """Counts of a run; sizes in MB, `growth_mb` by a line fitted to the sizes after the warm-up."""

    threads: int
    intra_op_threads: int
    seconds: float
    calls: int
    refused: int
    per_case: dict[str, int]
    wrong: list[str]
    warned: list[str]
    warm_mb: float
    end_mb: float
    growth_mb: float
    sizes_after_warm_up: int

    @property
    def failures(self) -> list[str]:
        """Broken promises; [] if all is well."""
        idle = [f"{name} was never called" for name, count in self.per_case.items() if not count]
        grown = [f"grown by {self.growth_mb:.1f} MB"] if self.growth_mb > MOST_GROWTH_MB else []
        if self.sizes_after_warm_up < 3:
            grown = [f"{self.calls} calls are too few to judge memory: take more --minutes"]
        return [*self.wrong, *self.warned, *idle, *grown]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: exit code 1 if a result differed, something warned, or memory grew."""
    parser = command_line(__doc__, "robustness", "default")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu", precision="fp32")
    cases = make_cases(options.seed)
    run = load(upsampler, cases, 60 * options.minutes, options.threads, options.seed)
    content = {
        **asdict(run), "failures": run.failures, "weights": options.weights, "sha256": upsampler.sha256,
        "cases that differ with other intra-op threads": {
            count: unequal(upsampler, cases, count) for count in (1, 2, 4) if count != run.intra_op_threads
        },
    }  # fmt: skip
    print(text_table(["load", ""], table_rows(content)), flush=True)
    write_json(options.out / "load.json", content)
    return int(bool(run.failures))


def make_cases(seed: int = 0) -> list[Case]:
    """Sizes from 48 x 64 to 240 x 320, scales 2 to 16, whole and tiled, four dtypes, holes, and calls to refuse."""
    rng = np.random.default_rng(seed)

    def case(name: str, scale: float, size: tuple[int, int], dtype: Any = np.uint16, **options: Any) -> Case:
        rgb = rng.integers(0, 256, (*size, 3), np.uint8)
        lr_size = tuple(round(side / scale) for side in size)
        lr_depth = rng.integers(500, 4000, lr_size).astype(dtype)
        lr_depth[rng.random(lr_size) < 0.1] = 0
        return Case(name, rgb, lr_depth, options)

    odd = case("odd sizes", 7.9, (125, 190))
    return [
        case("small, x4", 4, (48, 64)),
        case("float32 metres, x8", 8, (96, 128), np.float32),
        case("x16, filled", 16, (160, 128), fill_holes=True),
        case("float64, x2", 2, (64, 80), np.float64),
        case("uint8, x3", 3, (60, 90), np.uint8),
        odd,
        case("tiles of 64", 8, (120, 168), tile=64),
        case("tiles of 128", 8, (240, 320), np.float32, tile=128),
        case("whole", 8, (240, 320), tile="whole"),
        Case("other scale refused", odd.rgb, odd.lr_depth, {"scale": 3}),
        Case("RGB without colours refused", odd.rgb[..., :2], odd.lr_depth),
        Case("tile refused", odd.rgb, odd.lr_depth, {"tile": 100}),
        Case("words for depth refused", odd.rgb, odd.lr_depth.astype(str)),
    ]


def load(
    upsampler: DepthUpsampler, cases: Sequence[Case], seconds: float, threads: int, seed: int = 0,
    most_calls: float = float("inf"), pause: float = 1.0,
) -> Load:  # fmt: skip
    """Call it from `threads` threads for so long, or each so often; the size is read every `pause` seconds."""
    cases = with_results(upsampler, cases)
    counts: list[Counter[str]] = [Counter() for _ in range(threads)]
    wrong: list[str] = []
    start = time.monotonic()

    def work(number: int) -> None:
        rng = np.random.default_rng([seed, number])
        while time.monotonic() < start + seconds and counts[number].total() < most_calls:
            case = cases[rng.integers(len(cases))]
            try:
                if not case.is_met_by(case.call(upsampler)):
                    wrong.append(f"{case.name}: another result")
            except Exception as error:  # a thread must not end unseen
                wrong.append(f"{case.name}: {type(error).__name__}: {error}")
            counts[number][case.name] += 1

    with warnings.catch_warnings(record=True) as caught:  # of all threads: the filters are the process's
        warnings.simplefilter("always")
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        sizes: list[tuple[float, float]] = []
        cold = 0  # sizes before every thread was warm
        while any(worker.is_alive() for worker in workers):
            sizes.append((time.monotonic() - start, resident_mb()))
            if any(count.total() < WARM_CALLS for count in counts):
                cold = len(sizes)
            time.sleep(pause)
    total = sum(counts, Counter())
    warm = sizes[max(int(WARM_UP * len(sizes)), cold) :]
    return Load(
        threads=threads, intra_op_threads=torch.get_num_threads(), seconds=time.monotonic() - start,
        calls=total.total(), refused=sum(total[c.name] for c in cases if isinstance(c.expected, str)),
        per_case={case.name: total[case.name] for case in cases}, wrong=wrong,
        warned=[str(warning.message) for warning in caught], warm_mb=(warm or sizes)[0][1], end_mb=sizes[-1][1],
        growth_mb=growth(warm), sizes_after_warm_up=len(warm),
    )  # fmt: skip


def with_results(upsampler: DepthUpsampler, cases: Sequence[Case]) -> list[Case]:
    """The cases, each with its outcome when no other runs."""
    return [replace(case, expected=case.call(upsampler)) for case in cases]


def unequal(upsampler: DepthUpsampler, cases: Sequence[Case], count: int) -> int:
    """How many cases come out otherwise with another number of intra-op threads."""
    before, here = torch.get_num_threads(), with_results(upsampler, cases)
    torch.set_num_threads(count)
    try:
        return sum(not case.is_met_by(case.call(upsampler)) for case in here)
    finally:
        torch.set_num_threads(before)


def growth(sizes: Sequence[tuple[float, float]]) -> float:
    """MB gained from the first to the last of (seconds, MB), by a straight line; 0 for fewer than three."""
    if len(sizes) < 3:
        return 0.0
    when, size = np.array(sizes).T
    return float(np.polyfit(when, size, 1)[0] * (when[-1] - when[0]))


def table_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """One row for each figure, of a dict one for each entry; of a list how many, and the first."""
    rows = []
    for name, value in content.items():
        if isinstance(value, dict):
            rows += [[f"{name}, {key}", str(number)] for key, number in value.items()]
        elif isinstance(value, list):
            rows.append([name, f"{len(value)}, {value[0]}" if value else "0"])
        else:
            rows.append([name, f"{value:.1f}" if isinstance(value, float) else str(value)])
    return rows
