"""A camera that stops, starts again and goes back in time, and a ROS 2 node: `python -m robustness camera`.

The node must publish again after every change, account for every message that it received, and keep its size.
The campaign counts the messages that neither arrived nor were reported as lost. Needs the extra ros2.
Linux only (/proc).
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import text_table, write_json
from testing.ros2_world import NODE, Peer, pair, peer, private_world, ros_arguments
from testing.ros_world import running

FATES = ("depth unmatched", "depth waiting", "not asked for", "dropped", "failed", "published")
SPELL = 3.0  # seconds at most between two changes


def resident_mb(pid: int) -> float:
    """Resident size of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) / 1024


def live(there: Peer, draw: random.Random, seconds: float, sent: Counter[str]) -> None:
    """Send frames at 10 Hz, with changes of mind; AssertionError if the node does not follow."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        change = draw.choice(["stops", "goes back", "goes on"])
        sent[change] += 1
        if change == "stops":
            time.sleep(draw.uniform(0, SPELL))
        elif change == "goes back":
            there.stamp -= draw.randrange(10**9, 90 * 10**9)
        results = len(there.arrivals)
        until = time.monotonic() + draw.uniform(0.5, SPELL)
        while time.monotonic() < until or len(there.arrivals) == results:
            assert time.monotonic() < until + 60, f"nothing comes after the camera {change}"
            there.send(*pair(0))
            sent["frames"] += 1
            time.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a message is unaccounted for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/robustness"))
    options = parser.parse_args(arguments)
    sent = Counter[str]()
    command = [*NODE, *ros_arguments(reliability="reliable", queue_size=100)]
    with private_world() as environment, running(command, environment) as process, peer() as there:
        there.await_node()
        before = there.settle()
        start = resident_mb(process.pid)
        live(there, random.Random(options.seed), 60 * options.minutes, sent)
        there.settle()
        received, lost = there.count("depth received"), there.count("depth lost")
        figures = {
            **sent,
            "received": received + lost - before,
            "lost": lost,
            "lost in silence": sent["frames"] - (received + lost - before),
            "unaccounted for": received - sum(map(there.count, FATES)),
            "jumps back in time": there.count("jumps back in time"),
            "resident MB at the start": round(start, 1),
            "resident MB at the end": round(resident_mb(process.pid), 1),
        }
    print(text_table(["", ""], [[name, str(value)] for name, value in figures.items()]))
    write_json(options.out / "camera.json", {"seed": options.seed, **figures})
    return 1 if figures["lost in silence"] or figures["unaccounted for"] else 0
