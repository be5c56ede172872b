"""The ROS 2 node ended by SIGINT or SIGTERM at random moments: `python -m robustness signals --signals 100`.

Each moment is drawn over start, idle and work. Every second time SIGINT follows after 0.3 s. The node must end with
code 0 and without a traceback. Moments before Python has taken the node's handlers over are not drawn.
Needs the extra ros2. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import text_table, write_json
from testing.ros2_world import NODE, Peer, pair, peer, private_world

PATIENCE = 60.0  # seconds for an end


def catches_sigterm(pid: int) -> bool:
    """Whether a node has taken its handlers over: Python by itself catches SIGINT only."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def end_once(draw: random.Random, there: Peer, longest: float, environment: dict[str, str]) -> tuple[float, int, str]:
    """Start a node, send frames, end it; returns the moment in seconds, the exit code and what it said."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(NODE, env=environment, text=True, **pipes)  # type: ignore[call-overload]
    try:
        while not catches_sigterm(process.pid) and process.poll() is None:
            time.sleep(0.001)
        moment, start = draw.uniform(0, longest), time.monotonic()
        while time.monotonic() - start < moment:
            there.send(*pair(0))
            time.sleep(min(0.05, moment))
        process.send_signal(draw.choice([signal.SIGINT, signal.SIGTERM]))
        if draw.random() < 0.5:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        return moment, process.returncode, said
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if an end was not quiet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=100)
    parser.add_argument("--longest", type=float, default=8.0, help="seconds from the start to the last moment (8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/robustness"))
    options = parser.parse_args(arguments)
    draw, ends = random.Random(options.seed), Counter[tuple[int, bool]]()
    with private_world() as environment, peer() as there:
        for _ in range(options.signals):
            moment, code, said = end_once(draw, there, options.longest, environment)
            loud = "Traceback" in said
            ends[code, loud] += 1
            if code or loud:
                print(f"after {moment:.2f} s: code {code}\n{said[-1000:]}", flush=True)
    rows = [[str(code), "yes" if loud else "no", str(count)] for (code, loud), count in sorted(ends.items())]
    print(text_table(["exit code", "traceback", "ends"], rows))
    write_json(options.out / "signals.json", {"seed": options.seed, "ends": rows})
    return 0 if set(ends) <= {(0, False)} else 1
