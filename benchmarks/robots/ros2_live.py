"""The ROS 2 node, live: `python -m benchmarks.robots.ros2_live [--reliability reliable] [--weights default]`.

The node, and a peer that publishes the desk at a rate and receives, each its own process, over the loopback interface.
Results are asked for reliably. Needs the extra ros2.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import write_result
from benchmarks.robots.ros_live import show, summarise
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.read import read_depth, read_rgb
from examples import DESK
from testing.ros_world import Exchange, running

if TYPE_CHECKING:
    from testing.ros2_world import Peer

FATES = ("depth unmatched", "depth waiting", "not asked for", "dropped", "failed", "published")
PATIENCE = 60.0  # seconds for the last frames


def main() -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10, help="Hz")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--reliability", choices=("best_effort", "reliable"), default="best_effort")
    parser.add_argument("--out", type=Path, default=Path("out", "ros2_live"))
    options = parser.parse_args()
    from testing.ros2_world import peer, private_world, ros_arguments  # needs rclpy

    with private_world() as environment, tempfile.TemporaryDirectory() as name:
        timeline = Path(name) / "timeline.json"
        arguments = ros_arguments(weights=options.weights, reliability=options.reliability)
        command = [sys.executable, "-m", "benchmarks.robots.timed_node", "ros2", str(timeline), *arguments]
        with peer(reliable=options.reliability == "reliable") as there:
            with running(command, environment):
                exchange = exchange_frames(there, options.frames, options.rate)
            figures = summarise(exchange, json.loads(timeline.read_text())[-len(exchange.depths) :])
    figures |= {f"{kind} lost (as the middleware reports)": exchange.count(f"{kind} lost") for kind in ("rgb", "depth")}
    print(f"{options.weights}, {options.reliability}, {options.frames} frames at {options.rate:g} Hz")
    show(figures)
    upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
    content = {"reliability": options.reliability, "figures": {key.strip(): value for key, value in figures.items()}}
    write_result(options.out / f"{Path(options.weights).stem}-{options.reliability}.json", content, [upsampler])


def exchange_frames(there: Peer, frames: int, rate: float) -> Exchange:
    """Send the desk so many times; counts are those since the first of these frames."""
    rgb, depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    exchange = Exchange()
    there.await_node()
    there.settle()
    before, arrived = there.values(), len(there.arrivals)
    start = time.monotonic()
    for index in range(frames):
        time.sleep(max(start + index / rate - time.monotonic(), 0))
        sent = time.monotonic()
        exchange.sent[there.send(rgb, depth)] = sent
    there.settle()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and there.count("depth received") > sum(map(there.count, FATES)):
        there.await_report()
    exchange.depths = [(depth, stamp, "", when) for stamp, when in there.arrivals[arrived:]]
    counts = {key: str(int(value) - int(before[key])) for key, value in there.values().items() if value.isdigit()}
    exchange.diagnostics = (0, there.diagnostics.message, counts)
    return exchange


if __name__ == "__main__":
    main()
