"""Damage recordings of ROS 1 and ROS 2, and up-sample them from beginning to end. It needs the extra bags."""

import shutil
import tempfile
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.bags.upsample import upsample_bag
from robustness.draw import Generator, pick
from robustness.files.formats import Format
from robustness.files.lies import yaml_lie
from robustness.files.parts import make_part, put_rest, read_folder
from simulation.recordings import Recording, bag_path, write_recording
from testing.ros_world import Frame

START = 1_700_000_000_000_000_000
VARIANTS = 4  # images and compressed ones, of registered depth and of depth that has to be


def bag_formats() -> dict[str, Format]:
    """One for each file of a bag that can be damaged."""
    found = {}
    for kind, label, name, lie in (
        ("ros1", "bag", "in.bag", _message_lie),
        ("sqlite3", "db3", "in/in.db3", _message_lie),
        ("mcap", "mcap", "in/in.mcap", _message_lie),
        ("sqlite3", "metadata.yaml", "in/metadata.yaml", yaml_lie),
    ):
        good = partial(good_bag, kind)
        found[label] = Format(
            partial(make_part, good, VARIANTS, name), name, partial(check_bag, kind), (ValueError, OSError), [lie],
            names_file=False, prepare=partial(put_rest, good, VARIANTS),
        )  # fmt: skip
    return found


@lru_cache
def good_bag(kind: str, variant: int) -> dict[str, bytes]:
    """Contents by relative path."""
    rng = np.random.default_rng(variant)
    stamps = [START + i * 10**8 for i in range(2)]
    frames = [
        Frame(rng.integers(0, 256, (24, 32, 3), np.uint8), rng.integers(500, 4000, (6, 8)).astype(np.uint16), at, at)
        for at in stamps
    ]
    turned = {"depth_frame": "camera_depth", "depth_focal": 12.0, "place": (0.01, 0.0, 0.0)} if variant > 1 else {}
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(frames, compressed=variant % 2 == 1, **turned)  # type: ignore[arg-type]
        write_recording(bag_path(Path(folder), "in", kind), kind, recording)
        return read_folder(Path(folder))


def check_bag(kind: str, path: Path) -> None:
    """A result or an error, never half a bag."""
    source = path if kind == "ros1" else path.parent
    target = bag_path(source.parent, "out", kind)
    try:
        report = upsample_bag(source, target, _repeat, settings="a")
    except (ValueError, OSError):
        assert not target.exists(), "a bag was written in spite of the error"
        raise
    assert target.exists()
    assert report.pairs > len(report.failed)
    shutil.rmtree(target, ignore_errors=True)


def _repeat(rgb: Array, depth: Array) -> Array:
    if rgb.shape[:2] != (4 * depth.shape[0], 4 * depth.shape[1]):
        raise ValueError(f"{rgb.shape} and {depth.shape}")
    return depth.repeat(4, 0).repeat(4, 1)


def _message_lie(payload: bytes, rng: Generator) -> bytes:
    """Sizes, encodings, types and definitions within messages."""
    words = [b"16UC1", b"rgb8", b"camera_rgb", b"sensor_msgs/", b"uint32", b"string", b"/camera", b"plumb", b"PNG\r\n",
             b"IHDR", b"float64", b"Header", b"png", b"compressedDepth", b"cdr", b"none", b"topic", b"md5sum",
             b"message_definition"]  # fmt: skip
    odd = [b"\xff", b"\0", b"[", b"9", b"/", b"\n", b" ", b"=", b"]"]
    present = [word for word in words if word in payload]
    word = pick(rng, present)
    places = [i for i in range(len(payload)) if payload.startswith(word, i)]
    start = pick(rng, places)
    if rng.random() < 0.4:  # what stands before or after a string is often a number
        start += int(rng.integers(-16, len(word) + 12))
        size = int(rng.choice([0, 1, 2**15, 2**16, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
        return payload[: max(start, 0)] + size + payload[max(start, 0) + 4 :]
    start += int(rng.integers(len(word)))
    mark = pick(rng, odd)
    return payload[:start] + mark + payload[start + 1 :]
