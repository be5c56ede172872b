"""bridgenet-bag on a recording of each format, read back by others: `python -m benchmarks.robots.bags [--frames 10]`.

Writes the desk as a ROS 1 .bag, a ROS 2 sqlite3 and an mcap bag, runs the command on each, and compares what went in
with what came out, as the readers of `benchmarks.robots.bag_dump` see both.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer.read import read_depth, read_rgb
from examples import DESK
from simulation.recordings import DEPTH, KINDS, RGB_INFO, Recording, bag_path, write_recording
from testing import ROOT
from testing.ros_world import Frame

Dump = Mapping[str, Sequence[Mapping[str, Any]]]
OUTPUT, OUTPUT_INFO = "/bridgenet/depth/image_raw", "/bridgenet/depth/camera_info"
READERS = {
    "ros1": ("rosbag of the system's Python", "/usr/bin/python3", "import rosbag"),
    "sqlite3": ("sqlite3, mcap-ros2-support", sys.executable, "import mcap_ros2"),
    "mcap": ("mcap, mcap-ros2-support", sys.executable, "import mcap_ros2"),
}


class ReaderMissing(Exception):
    """The other reader is not installed."""


def main() -> None:
    """Command line of the benchmark."""
    parser = command_line(__doc__, "bags", "default")
    parser.add_argument("--frames", type=int, default=10)
    options = parser.parse_args()
    rgb, depth = read_rgb(DESK / "rgb.png"), read_depth(DESK / "depth_lr.png")
    stamps = [1_700_000_000_000_000_000 + i * 10**8 for i in range(options.frames)]
    recording = Recording([Frame(rgb, depth, stamp, stamp + 4 * 10**6) for stamp in stamps])
    results = {}
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            source, target = bag_path(Path(name), f"in_{kind}", kind), bag_path(Path(name), f"out_{kind}", kind)
            write_recording(source, kind, recording)
            seconds = run_command(source, target, options.weights)
            results[kind] = {"reader": READERS[kind][0], "seconds": round(seconds, 1),
                             **sizes(source, target), **round_trip(kind, source, target)}  # fmt: skip
    print(format_results(results))
    write_json(options.out / "bags.json", {"frames": options.frames, "kinds": results})


def run_command(source: Path, target: Path, weights: str) -> float:
    """Run bridgenet-bag in a process of its own; seconds. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "bridgenet_infer.bags.command", str(source), "-o", str(target)]
    start = time.perf_counter()
    subprocess.run([*command, "--weights", weights], cwd=ROOT, check=True)
    return time.perf_counter() - start


def sizes(source: Path, target: Path) -> dict[str, int]:
    """Bytes of both bags."""
    return {"bytes in": _size(source), "bytes out": _size(target)}


def round_trip(kind: str, source: Path, target: Path) -> dict[str, Any]:
    """`compare` both bags as the other reader of this kind sees them; or say that it is missing."""
    try:
        return compare(read_with_other(kind, source), read_with_other(kind, target))
    except ReaderMissing as error:
        return {"missing": str(error)}


def read_with_other(kind: str, bag: Path) -> Dump:
    """What `benchmarks.robots.bag_dump` says of a bag.

    Raises
    ------
    ReaderMissing
        If the reader for this kind is not installed.
    CalledProcessError
        If it cannot read the bag.
    """
    name, interpreter, test = READERS[kind]
    try:
        subprocess.run([interpreter, "-c", test], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ReaderMissing(f"{name} is not installed") from error
    command = [interpreter, str(Path(__file__).with_name("bag_dump.py")), str(bag)]
    content: Dump = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return content


def compare(before: Dump, after: Dump) -> dict[str, Any]:
    """Counts per topic, and what must hold.

    Returns
    -------
    "messages": topic -> (in, out); "copies equal": bag times and bytes of all that was there; "depth stamps equal":
    the up-sampled depth has the LR depth's; "camera_info stamps equal": so has its camera_info; "camera_info fields
    equal": but for the stamp it is the RGB camera's.
    """
    depth, infos = after[OUTPUT], after[OUTPUT_INFO]
    return {
        "messages": {t: (len(before.get(t, ())), len(after.get(t, ()))) for t in sorted({*before, *after})},
        "copies equal": all(
            [(m["time"], m["sha256"]) for m in messages] == [(m["time"], m["sha256"]) for m in after.get(topic, ())]
            for topic, messages in before.items()
        ),
        "depth stamps equal": _stamps(depth) == _stamps(before[DEPTH]),
        "camera_info stamps equal": _stamps(infos) == _stamps(before[DEPTH]),
        "camera_info fields equal": [_without_stamp(m) for m in infos] == [_without_stamp(m) for m in before[RGB_INFO]],
    }


def format_results(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A table with a column for each kind."""
    topics = sorted({topic for result in results.values() for topic in result.get("messages", ())})
    rows = [[topic, *(_counts(result, topic) for result in results.values())] for topic in topics]
    facts = ["copies equal", "depth stamps equal", "camera_info stamps equal", "camera_info fields equal",
             "bytes in", "bytes out", "seconds", "reader", "missing"]  # fmt: skip
    rows += [[fact, *(str(result.get(fact, "")) for result in results.values())] for fact in facts]
    return text_table(["messages in / out", *results], rows)


def _counts(result: Mapping[str, Any], topic: str) -> str:
    return " / ".join(map(str, result.get("messages", {}).get(topic, ())))


def _stamps(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    return [message["fields"]["header"]["stamp"] for message in messages]


def _without_stamp(message: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a CameraInfo with no more of its header than the frame."""
    return {**message["fields"], "header": message["fields"]["header"]["frame_id"]}


def _size(bag: Path) -> int:
    return bag.stat().st_size if bag.is_file() else sum(file.stat().st_size for file in bag.iterdir())


if __name__ == "__main__":
    main()
