"""The ROS 1 node, live: `python -m benchmarks.robots.ros_live [--frames 200] [--rate 10] [--weights default]`.

A ROS master, the node, and a peer that publishes the desk at a rate and receives, each its own process. Needs what
`testing.ros_world` names.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import command_line
from benchmarks.report import write_result
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.read import read_depth, read_rgb
from examples import DESK
from testing.ros_world import Array, Exchange, Frame, Request, run_peer, running, running_master


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "ros_live", "default")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10, help="Hz")
    options = parser.parse_args()
    rgb, depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    interval = round(1e9 / options.rate)
    frames = [Frame(rgb, depth, i * interval + 10**9, i * interval + 10**9) for i in range(options.frames)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timeline = folder / "timeline.json"
        node = [sys.executable, "-m", "benchmarks.robots.timed_node", "ros1", str(timeline)]
        parameters = [f"_weights:={options.weights}", "_registered:=true"]
        with running_master(folder) as environment:
            with running([*node, *parameters], environment):
                exchange = run_peer(Request(frames, options.rate, len(frames)), folder, environment)
            figures = summarise(exchange, json.loads(timeline.read_text()))
    print(f"{rgb.shape[1]} x {rgb.shape[0]}, LR {depth.shape[1]} x {depth.shape[0]}, {options.weights}, "
          f"{options.frames} frames at {options.rate:g} Hz")  # fmt: skip
    show(figures)
    upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
    content = {"figures": {key.strip(): value for key, value in figures.items()}}
    write_result(options.out / f"{Path(options.weights).stem}.json", content, [upsampler])


def show(figures: dict[str, float]) -> None:
    """Print counts, milliseconds and percent, one a line."""
    for key, value in figures.items():
        print(f"{key:38} {value:8.1f}" if isinstance(value, float) else f"{key:38} {value:8}")


def summarise(exchange: Exchange, timeline: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Counts, milliseconds and percent.

    Parameters
    ----------
    timeline
        For each frame that the node worked on: start and end of the call, seconds inside the network.
    """
    sent = np.array([exchange.sent[stamp] for _, stamp, _, _ in exchange.depths])
    received = np.array([when for *_, when in exchange.depths])
    start, end, network = np.array(timeline).T
    if len(start) != len(received):
        raise ValueError(f"the node worked on {len(start)} frames, {len(received)} came back")
    # a frame that comes while the one before is worked on waits for the network, not for messages
    waiting = np.maximum(np.minimum(start, np.concatenate(([0], end[:-1]))) - sent, 0)
    outside = received - sent - waiting - network
    dropped = exchange.count("dropped")
    return {
        "sent": len(exchange.sent),
        "received": len(received),
        "dropped (as the node reports)": dropped,
        "unaccounted for": len(exchange.sent) - len(received) - dropped,
        "latency p50 (ms)": _milliseconds(received - sent, 50),
        "latency p99 (ms)": _milliseconds(received - sent, 99),
        "  waiting for the frame before, p50": _milliseconds(waiting, 50),
        "  messages in, p50": _milliseconds(start - sent - waiting, 50),
        "  call beside the network, p50": _milliseconds(end - start - network, 50),
        "  network, p50": _milliseconds(network, 50),
        "  messages out, p50": _milliseconds(received - end, 50),
        "outside the network (% of all)": 100 * float(outside.sum() / (outside + network).sum()),
    }


def _milliseconds(seconds: Array, percent: float) -> float:
    return 1000 * float(np.percentile(seconds, percent))


if __name__ == "__main__":
    main()
