"""What `DepthStream` and the core of the ROS nodes cost: `python -m benchmarks.robots.overhead`.

Direct calls in a loop, stream and node take turns, a few frames each. Frames per second relative to the direct calls:
of the fastest round of each, and the median of the rounds' ratios, which meets whatever else the machine does; and the
processor's time for one frame on all threads. The stream is fed blocking (nothing dropped), the node with message
objects, a pair whenever the last result was published. The second table has nearest neighbour in the network's place:
what is left is the time of everything else.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.accuracy.baselines import nearest
from benchmarks.command import command_line
from benchmarks.report import text_table, write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.arrays import Array
from bridgenet_infer.ros.messages import image_fields
from bridgenet_infer.ros.node import DepthNode
from bridgenet_infer.stream import DepthStream

Upsample = Callable[[Array, Array], Any]
SCALE = 8
PATIENCE = 120  # seconds for one frame


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "overhead", "default")
    parser.add_argument("--size", type=int, nargs=2, default=[480, 640], metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--frames", type=int, default=2, help="per turn")
    options = parser.parse_args()
    upsampler = DepthUpsampler.from_pretrained(options.weights)
    pair = frame(options.size[0], options.size[1])
    content: dict[str, object] = {"size": options.size, "scale": SCALE}
    for name, upsample, frames in (
        (options.weights, upsampler, options.frames),
        ("nearest neighbour", replicate, 25 * options.frames),
    ):
        times = measure(upsample, pair, options.rounds, frames)
        table = {way: summary(values, times["direct"]) for way, values in times.items()}
        header = list(table["direct"])
        rows = [[way, *(f"{values[key]:.3f}" for key in header)] for way, values in table.items()]
        print(f"{name}, {options.size[1]} x {options.size[0]}, {options.rounds} rounds of {frames} frames")
        print(text_table(["", *header], rows), flush=True)
        content[name] = table
    write_result(options.out / "overhead.json", content, [upsampler])


def frame(height: int, width: int) -> tuple[Array, Array]:
    """RGB uint8 and LR depth uint16 of noise, an eighth of the size."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    return rgb, rng.integers(500, 4000, (height // SCALE, width // SCALE), np.uint16)


def replicate(rgb: Array, depth: Array) -> Array:
    """Nearest neighbour."""
    return nearest(depth, rgb.shape[:2])


def measure(upsample: Upsample, pair: tuple[Array, Array], rounds: int, frames: int) -> dict[str, Array]:
    """(rounds, 2) seconds per frame, on the clock and of the processor, of direct calls, stream and node.

    One more round goes before.
    """
    times: dict[str, list[tuple[float, float]]] = {"direct": [], "DepthStream": [], "DepthNode": []}
    with _running(upsample, pair) as ways:  # one stream and one node for all rounds, as in a robot
        for turn in range(rounds + 1):
            for way, run in ways.items():
                start, busy = time.perf_counter(), time.process_time()
                run(frames)
                elapsed = time.perf_counter() - start
                if turn:
                    times[way].append((elapsed / frames, (time.process_time() - busy) / frames))
    return {way: np.array(values) for way, values in times.items()}


def summary(times: Array, direct: Array) -> dict[str, float]:
    """Milliseconds and ratios to the direct calls from `measure`'s times."""
    return {
        "ms, fastest": 1000 * float(times[:, 0].min()),
        "frames/s over direct": float(direct[:, 0].min() / times[:, 0].min()),
        "median of rounds": float(np.median(direct[:, 0] / times[:, 0])),
        "processor ms": 1000 * float(np.median(times[:, 1])),
    }


@contextmanager
def _running(upsample: Upsample, pair: tuple[Array, Array]) -> Iterator[dict[str, Callable[[int], None]]]:
    """The three ways, each a function of the number of frames that returns when all have come out."""
    out, warnings = threading.Semaphore(0), list[str]()
    header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id="camera")
    rgb, depth = (SimpleNamespace(header=header, **image_fields(array)) for array in pair)

    def without_options(rgb: Array, depth: Array, *, scale: float | str, fill_holes: bool) -> Any:
        return upsample(rgb, depth)

    stream = DepthStream(upsample, drop="none", on_result=lambda result: out.release())
    node = DepthNode(without_options, lambda output: out.release(), warnings.append)
    node.on_camera_info("rgb", SimpleNamespace(height=pair[0].shape[0], width=pair[0].shape[1], k=[1.0] * 9))

    def call(frames: int) -> None:
        for _ in range(frames):
            upsample(*pair)

    def await_one() -> None:
        if not out.acquire(timeout=PATIENCE):
            raise RuntimeError(f"no result for {PATIENCE} s {warnings}")

    def submit(frames: int) -> None:
        for _ in range(frames):
            stream.submit(*pair)
        for _ in range(frames):
            await_one()

    def publish(frames: int) -> None:
        for _ in range(frames):
            node.on_image("rgb", rgb)
            node.on_image("depth", depth)
            await_one()

    try:
        yield {"direct": call, "DepthStream": submit, "DepthNode": publish}
    finally:
        stream.close()
        node.close()


if __name__ == "__main__":
    main()
