"""Time of each step around the network: `python -m benchmarks.runtime.steps [--weights default default-int8]`.

Public calls at 640 x 480 with LR depth in uint16, a tenth of it holes, of 80 x 60 and of 320 x 240. Every step's time
is its own, less that of the steps within it: the medians of all rounds, so a row need not sum up. "outside" is the
median of a whole call less its network.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import bridgenet_infer.backends.run as run
import bridgenet_infer.pipeline.crop as crop
import bridgenet_infer.pipeline.engine as engine
import bridgenet_infer.pipeline.frame as frame
import bridgenet_infer.pipeline.local_depth as local_depth
import bridgenet_infer.pipeline.restore as restore
import bridgenet_infer.upsampler as upsampler
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array

HEIGHT, WIDTH = 480, 640
LR_SIZES = ((60, 80), (240, 320))
HOLE_SHARE = 0.1
NETWORK = "network"
STEPS: dict[str, tuple[tuple[object, str], ...]] = {  # where the functions of a step are looked up
    "checks": tuple((upsampler, name) for name in ("check_depth", "check_rgb", "resolve_scale", "suspect_marker")),
    "wild samples": ((frame, "without_wild"),),
    "pivot": ((frame, "measure_local_depth"),),
    "holes": ((local_depth, "fill_holes"),),
    "maps": ((local_depth, "local_range"), (local_depth, "image_range")),
    "guide": ((engine, "crop_tile"),),
    "enlargement": ((crop, "enlarge"), (restore, "enlarge")),
    "normalising": ((crop, "normalise"),),
    NETWORK: ((run, "run_network"),),
    "restoring": ((engine, "restore_rows"),),
}
REST, OUTSIDE = "the rest", "outside"


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "steps", ["default"])
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    loaded = [DepthUpsampler.from_pretrained(name, device="cpu") for name in options.weights]
    figures = {
        f"{size[1]} x {size[0]}": {each.name: measure(each, *make_pair(size), options.rounds) for each in loaded}
        for size in LR_SIZES
    }
    rows = [[f"{size}, {name}", *(f"{value:.2f}" for value in values.values())]
            for size, by_weights in figures.items() for name, values in by_weights.items()]  # fmt: skip
    print(f"{WIDTH} x {HEIGHT}, {options.rounds} rounds, {torch.get_num_threads()} threads, medians")
    print(text_table(["ms", *STEPS, REST, OUTSIDE], rows))
    content = {"threads": torch.get_num_threads(), "rounds": options.rounds, "figures": figures}
    write_result(options.out / "steps.json", content, loaded)


def make_pair(size: tuple[int, int]) -> tuple[Array, Array]:
    """RGB of noise, and LR depth in uint16 of waves whose holes are patches and single samples."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]] / size[0]
    depth = (2000 + 900 * np.sin(7 * columns) * np.cos(5 * rows)).astype(np.uint16)
    depth[rng.random(size) < HOLE_SHARE / 2] = 0
    side = round((size[0] * size[1] * HOLE_SHARE / 2) ** 0.5)
    depth[:side, -side:] = 0
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), depth


def measure(call: Callable[[Array, Array], object], rgb: Array, lr: Array, rounds: int) -> dict[str, float]:
    """Median milliseconds of every step, of the rest and of all outside the network; two more rounds go before."""
    taken: list[dict[str, float]] = []
    ledger = Ledger()
    with ledger.watching():
        for _ in range(rounds + 2):
            ledger.seconds.clear()
            began = time.perf_counter()
            call(rgb, lr)
            total = time.perf_counter() - began
            steps = {name: ledger.seconds[name] for name in STEPS}
            taken.append({**steps, REST: total - sum(steps.values()), OUTSIDE: total - steps[NETWORK]})
    return {name: 1000 * float(np.median([each[name] for each in taken[2:]])) for name in taken[0]}


class Ledger:
    """Seconds by step. A step that is called by another one interrupts its time."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]  # of each open step, what the steps within it took

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time all functions of `STEPS`."""
        with ExitStack() as stack:
            for step, places in STEPS.items():
                for module, name in places:
                    stack.enter_context(patch.object(module, name, self.timed(step, getattr(module, name))))
            yield

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time booked for `step`."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                elapsed = time.perf_counter() - began
                self.seconds[step] += elapsed - self._inner.pop()
                self._inner[-1] += elapsed

        return call


if __name__ == "__main__":
    main()
