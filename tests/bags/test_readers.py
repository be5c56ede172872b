"""Bags that we wrote, opened by other readers than the one that we use."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags", reason="needs the extra bags")
from benchmarks.robots.bags import OUTPUT, OUTPUT_INFO, ReaderMissing, compare, format_results, read_with_other
from bridgenet_infer.bags.upsample import upsample_bag
from simulation.recordings import (  # fmt: skip
    DEPTH,
    DEPTH_INFO,
    KINDS,
    RGB,
    RGB_FRAME,
    RGB_INFO,
    TEXT,
    Recording,
    bag_path,
    write_recording,
)
from testing.ros_world import Frame

START = 1_700_000_000_000_000_000
FACTS = ("copies equal", "depth stamps equal", "camera_info stamps equal", "camera_info fields equal")


def doubled(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    return depth.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_other_readers_find_all_that_was_there_and_our_depth(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    frames = []
    for index in range(4):
        rgb, depth = rng.integers(0, 256, (24, 32, 3), np.uint8), rng.integers(1, 9000, (12, 16)).astype(np.uint16)
        frames.append(Frame(rgb, depth, START + index * 10**8, START + index * 10**8 + 7))
    source, target = bag_path(tmp_path, "in", kind), bag_path(tmp_path, "out", kind)
    write_recording(source, kind, Recording(frames, depth_focal=25.0))
    upsample_bag(source, target, doubled, settings="a")
    try:
        before, after = read_with_other(kind, source), read_with_other(kind, target)
    except ReaderMissing as error:
        pytest.skip(str(error))
    result = compare(before, after)
    kept = dict.fromkeys((RGB, RGB_INFO, DEPTH, DEPTH_INFO, TEXT), (4, 4))
    assert result == {"messages": {**kept, OUTPUT: (0, 4), OUTPUT_INFO: (0, 4)}, **dict.fromkeys(FACTS, True)}
    for frame, message in zip(frames, after[OUTPUT], strict=True):
        fields = message["fields"]
        assert (fields["height"], fields["width"], fields["encoding"], fields["step"]) == (24, 32, "16UC1", 64)
        assert fields["header"]["frame_id"] == RGB_FRAME
        assert fields["data"] == hashlib.sha256(doubled(frame.rgb, frame.depth).tobytes()).hexdigest()
    if kind != "ros1":
        metadata = yaml.safe_load((target / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        counts = {t["topic_metadata"]["name"]: t["message_count"] for t in metadata["topics_with_message_count"]}
        assert counts == {topic: len(messages) for topic, messages in after.items()}
        assert metadata["message_count"] == sum(counts.values())


def test_differences_are_found() -> None:
    def message(stamp: int, **fields: object) -> dict[str, object]:
        header = {"stamp": stamp, "frame_id": "rgb"}
        return {"time": 1, "sha256": str(stamp), "fields": {"header": header, **fields}}

    before = {DEPTH: [message(1)], RGB_INFO: [message(0, k=[1.0])]}
    ours = {OUTPUT: [message(1)], OUTPUT_INFO: [message(1, k=[1.0])]}
    assert all(compare(before, {**before, **ours})[fact] for fact in FACTS)
    for fact, change in (
        ("copies equal", {DEPTH: []}), ("depth stamps equal", {OUTPUT: [message(2)]}),
        ("camera_info stamps equal", {OUTPUT_INFO: [message(2, k=[1.0])]}),
        ("camera_info fields equal", {OUTPUT_INFO: [message(1, k=[2.0])]}),
    ):  # fmt: skip
        assert [name for name in FACTS if not compare(before, {**before, **ours, **change})[name]] == [fact]
    assert "1 / 1" in format_results({"mcap": compare(before, {**before, **ours}), "ros1": {"missing": "rosbag"}})
