"""For a wrong recording bridgenet-bag gives a reason and exit code 1, and it keeps finished frames."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bridgenet_infer.bags.command import main

pytest.importorskip("rosbags", reason="needs the extra bags")
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from bridgenet_infer.bags.upsample import upsample_bag
from bridgenet_infer.ros.messages import CONVERTED, ENCODINGS
from simulation.recordings import DEPTH, KINDS, RGB, TEXT, Recording, bag_path, write_recording
from testing import ROOT
from testing.ros_world import Frame
from testing.tiny import random_frames

START = 1_700_000_000_000_000_000
OUTPUT = "/bridgenet/depth/image_raw"
Attempt = Callable[..., tuple[int, str]]


def record(path: Path, kind: str, stamps: Sequence[int] = range(START, START + 3 * 10**8, 10**8)) -> Path:
    return write_recording(path, kind, Recording(random_frames(stamps)))


def nearest(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    return depth.repeat(4, 0).repeat(4, 1)


def storage(bag: Path) -> Path:
    """The file with the messages."""
    return bag if bag.is_file() else next(file for file in bag.iterdir() if file.suffix in (".db3", ".mcap"))


def replace_bytes(bag: Path, old: bytes, new: bytes) -> None:
    """In messages and in the definitions of topics; the same number of bytes, so that all offsets stay."""
    content = storage(bag).read_bytes()
    assert len(old) == len(new)
    assert old in content
    storage(bag).write_bytes(content.replace(old, new))


def count(bag: Path) -> dict[str, int]:
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        return {topic: info.msgcount for topic, info in reader.topics.items()}


@pytest.fixture
def attempt(tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Attempt:
    """Runs the command: its exit code, and what it says on stderr."""

    def run(source: Path, target: Path, *options: str) -> tuple[int, str]:
        code = main([str(source), "-o", str(target), "--weights", str(tiny_checkpoint), "--device", "cpu", *options])
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return code, error

    return run


def assert_nothing_written(target: Path) -> None:
    assert [path.name for path in target.parent.iterdir() if path.name.startswith((target.name, "."))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_foreign_topics_are_listed(tmp_path: Path, kind: str, attempt: Attempt) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    assert attempt(source, target, "--depth", "/nowhere") == (
        1, f"error: /nowhere is no depth topic of the bag; image topics: {RGB} (rgb), {DEPTH} (depth)\n"
    )  # fmt: skip
    replace_bytes(source, b"16UC1", b"64FC1")
    known = ", ".join((*ENCODINGS, *CONVERTED))
    listing = f"image topics: {RGB} (rgb), {DEPTH} (encoding '64FC1' is none of {known})"
    assert attempt(source, target) == (1, f"error: no depth topic in the bag, name it with --depth; {listing}\n")
    assert attempt(source, target, "--depth", DEPTH) == (1, f"error: {DEPTH} is no depth topic of the bag; {listing}\n")
    assert_nothing_written(target)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_no_scale_explains_are_named(tmp_path: Path, kind: str, attempt: Attempt) -> None:
    recording = Recording(random_frames([START, START + 10**8], rgb_size=(48, 24)))
    source, target = write_recording(bag_path(tmp_path, "in", kind), kind, recording), bag_path(tmp_path, "out", kind)
    code, error = attempt(source, target)
    assert code == 1
    assert "all 2 frames failed; the first: no scale from 2 to 16 explains" in error
    assert "(12, 16) and rgb (48, 24)" in error
    assert_nothing_written(target)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_another_size_is_named_and_left_out(tmp_path: Path, kind: str, attempt: Attempt) -> None:
    frames = random_frames([START, START + 10**8]) + random_frames([START + 2 * 10**8], rgb_size=(48, 24))
    source, target = bag_path(tmp_path, "in", kind), bag_path(tmp_path, "out", kind)
    code, error = attempt(write_recording(source, kind, Recording(frames)), target)
    assert code == 1
    assert f"error: frame {START + 2 * 10**8}: no scale from 2 to 16 explains" in error
    assert count(target)[OUTPUT] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_empty_stamps_are_refused_and_disorder_is_none(tmp_path: Path, kind: str, attempt: Attempt) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind, [0, 0, 0]), bag_path(tmp_path, "out", kind)
    code, error = attempt(source, target)
    assert code == 1
    assert f"all 3 messages of {RGB} have the stamp 0 s" in error
    assert_nothing_written(target)
    # bag times are the stamps here: RGB and depth of one stamp come together, but later ones before earlier ones
    disorder = record(bag_path(tmp_path, "disorder", kind), kind, [START + step * 10**8 for step in (3, 0, 2, 1)])
    assert attempt(disorder, target) == (0, "")
    assert count(target)[OUTPUT] == 4


def test_depth_before_its_rgb_is_paired_with_it(tmp_path: Path) -> None:
    frames = [
        Frame(f.rgb, f.depth, f.rgb_stamp, f.rgb_stamp - 5 * 10**6) for f in random_frames([START, START + 10**8])
    ]
    source = write_recording(tmp_path / "in.bag", "ros1", Recording(list(reversed(frames))))
    given: list[np.ndarray] = []

    def upsample(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
        given.append(rgb)
        return nearest(rgb, depth)

    assert upsample_bag(source, tmp_path / "out.bag", upsample, settings="a").pairs == 2
    assert np.array_equal(given, [frame.rgb for frame in frames])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
@pytest.mark.parametrize("kind", KINDS)
def test_bags_that_were_cut_off_are_refused(tmp_path: Path, kind: str, share: float, attempt: Attempt) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    content = storage(source).read_bytes()
    storage(source).write_bytes(content[: int(len(content) * share)])
    code, error = attempt(source, target)
    assert code == 1
    assert "cannot be read as a bag" in error or "is damaged after" in error
    assert_nothing_written(target)


def test_a_ros2_recorder_that_was_killed_leaves_no_metadata(tmp_path: Path, attempt: Attempt) -> None:
    source = record(tmp_path / "in", "mcap")
    (source / "metadata.yaml").unlink()
    code, error = attempt(source, tmp_path / "out")
    assert code == 1
    assert "'ros2 bag reindex' or 'mcap recover' may help" in error


@pytest.mark.parametrize("kind", KINDS)
def test_definitions_that_make_no_sense_are_told(tmp_path: Path, kind: str, attempt: Attempt) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    replace_bytes(source, b"string data", b"string dat?")
    code, error = attempt(source, target)
    assert code == 1
    assert "cannot be read as a bag (Could not parse" in error
    assert_nothing_written(target)


def test_types_that_nobody_defines_are_copied_in_sqlite3(tmp_path: Path, attempt: Attempt) -> None:
    """As ROS 2 Humble records them: without definitions, which its readers take from the installed packages."""
    source, target = record(tmp_path / "in", "sqlite3"), tmp_path / "out"
    database = sqlite3.connect(storage(source))
    database.execute("DROP TABLE schema")
    database.execute("DROP TABLE message_definitions")
    database.execute("UPDATE topics SET type = 'my_msgs/msg/Odd' WHERE name = ?", (TEXT,))
    database.commit()
    before = database.execute("SELECT timestamp, data FROM messages WHERE topic_id = 1").fetchall()
    database.close()
    metadata = source / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("std_msgs/msg/String", "my_msgs/msg/Odd"))
    assert attempt(source, target) == (0, "")
    assert count(target) == {**count(source), OUTPUT: 3, "/bridgenet/depth/camera_info": 3}
    copied = sqlite3.connect(storage(target))
    assert copied.execute("SELECT type FROM topics WHERE name = ?", (TEXT,)).fetchall() == [("my_msgs/msg/Odd",)]
    assert copied.execute("SELECT timestamp, data FROM messages WHERE topic_id = 1").fetchall() == before
    copied.close()


def test_topics_that_are_there_already_are_not_mixed_with_ours(tmp_path: Path, attempt: Attempt) -> None:
    source, first, second = record(tmp_path / "in.bag", "ros1"), tmp_path / "out.bag", tmp_path / "second.bag"
    assert attempt(source, first) == (0, "")
    code, error = attempt(first, second)
    assert (code, "more than one depth topic" in error) == (1, True)
    code, error = attempt(first, second, "--depth", DEPTH)
    assert (code, f"the bag has {OUTPUT} already; choose another name with --output-topic" in error) == (1, True)
    assert_nothing_written(second)
    assert attempt(first, second, "--depth", DEPTH, "--output-topic", "/again/image") == (0, "")
    assert count(second) == {**count(first), "/again/image": 3, "/again/camera_info": 3}


def test_a_connection_that_was_recorded_twice_is_copied_as_one(tmp_path: Path) -> None:
    source = record(tmp_path / "plain.bag", "ros1")
    store, twice = get_typestore(Stores.ROS1_NOETIC), tmp_path / "in.bag"
    with AnyReader([source]) as reader, Writer(twice) as writer:
        copies = {
            c.id: writer.add_connection(c.topic, c.msgtype, msgdef=c.msgdef.data, md5sum=c.digest)
            for c in reader.connections
        }
        for connection, time, raw in reader.messages():
            writer.write(copies[connection.id], time, raw)
        text = store.types["std_msgs/msg/String"]("again")
        for caller in ("/talk1", "/talk2"):
            connection = writer.add_connection("/talk", "std_msgs/msg/String", typestore=store, callerid=caller)
            writer.write(connection, START, store.serialize_ros1(text, "std_msgs/msg/String"))
    replace_bytes(twice, b"/talk2", b"/talk1")
    upsample_bag(twice, tmp_path / "out.bag", nearest, settings="a")
    assert count(tmp_path / "out.bag")["/talk"] == 2


def test_a_topic_listed_twice_is_refused(tmp_path: Path, attempt: Attempt) -> None:
    source, mark = record(tmp_path / "in", "sqlite3"), "  - message_count"
    metadata = source / "metadata.yaml"
    block = next(mark + part for part in metadata.read_text().split(mark) if TEXT in part)
    metadata.write_text(metadata.read_text().replace(block, block.replace("RIHS01_", "RIHS01_0") + block))
    code, error = attempt(source, tmp_path / "out")
    assert (code, f"{TEXT} cannot be copied" in error) == (1, True)
    assert_nothing_written(tmp_path / "out")


class Killed(BaseException):
    """As good as SIGKILL where nobody catches it."""


@pytest.mark.parametrize("moment", ["before the new bag is in place", "after that", "while frames are deleted"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_killed_in_its_last_moments_loses_nothing(
    tmp_path: Path, kind: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    upsample_bag(source, target, nearest, settings="old", output_topic="/old/image")
    replace, rmtree, folder = os.replace, shutil.rmtree, target.with_name(target.name + ".frames")

    def dies_replacing(start: Path, end: Path) -> None:
        if Path(end) != target or Path(start) == folder / "replaced":
            return replace(start, end)
        if moment == "after that":
            replace(start, end)
        raise Killed

    def dies_deleting(path: Path, ignore_errors: bool = False) -> None:
        if (path / "00000001.npy").exists():
            (path / "00000001.npy").unlink()
            raise Killed
        rmtree(path, ignore_errors=ignore_errors)

    with monkeypatch.context() as patch:
        if moment == "while frames are deleted":
            patch.setattr(shutil, "rmtree", dies_deleting)
        else:
            patch.setattr(os, "replace", dies_replacing)
        with pytest.raises(Killed):
            upsample_bag(source, target, nearest, settings="new", overwrite=True)
    with pytest.raises(FileExistsError):
        upsample_bag(source, target, nearest, settings="new")
    there = count(target)
    if moment == "before the new bag is in place":
        assert there["/old/image"] == 3
        assert upsample_bag(source, target, nearest, settings="new", overwrite=True).reused == 3
        there = count(target)
    assert there[OUTPUT] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


KILLED = """
import os, signal, sys
from pathlib import Path
from bridgenet_infer.bags.upsample import upsample_bag

def upsample(rgb, depth, left=[2]):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return depth.repeat(4, 0).repeat(4, 1)

upsample_bag(Path(sys.argv[1]), Path(sys.argv[2]), upsample, settings="a", overwrite=True)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_keeps_its_frames_and_the_old_bag(tmp_path: Path, kind: str) -> None:
    source, target = record(bag_path(tmp_path, "in", kind), kind), bag_path(tmp_path, "out", kind)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(source), str(target)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert count(target) == count(source)
    folder = target.with_name(target.name + ".frames")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name, folder.name])
    for index, frame in enumerate(random_frames([START, START + 10**8])):
        assert np.array_equal(np.load(folder / f"{index:08d}.npy"), nearest(frame.rgb, frame.depth))
    report = upsample_bag(source, target, nearest, settings="a", overwrite=True)
    assert (report.pairs, report.reused) == (3, 2)
    assert count(target)[OUTPUT] == 3
    assert not folder.exists()
