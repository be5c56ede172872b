"""Recorded bags of ROS 1 and ROS 2: up-sampled depth written next to copies of the originals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array

from ..cli.process import describe
from ..registration import Floats
from ..ros.alignment import Alignment
from ..ros.matching import match_stamps
from ..ros.messages import stamp_of
from ..ros.transforms import StaticTransforms
from .files import BagReader, BagWriter, Workspace, reading
from .topics import Topics, find_topics, is_image, scan

UNUSABLE = (ValueError, TypeError, RuntimeError, MemoryError)  # what a frame may raise; a full disk stops everything


@dataclass
class BagReport:
    """What `upsample_bag` did: counts of frames, and per failed frame its stamp in nanoseconds and the reason."""

    topics: Topics
    rgb: int = 0
    depth: int = 0
    pairs: int = 0
    reused: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)


def upsample_bag(
    source: Path,
    target: Path,
    upsample: Callable[[Array, Array], Any],
    *,
    settings: str,
    rgb_topic: str | None = None,
    depth_topic: str | None = None,
    rgb_info_topic: str | None = None,
    depth_info_topic: str | None = None,
    output_topic: str = "/bridgenet/depth/image_raw",
    slop: float = 0.02,
    scale: float | str = "auto",
    registered: bool = False,
    extrinsics: Floats | None = None,
    invalid: float | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BagReport:
    """Copy a bag and add up-sampled depth and its camera_info.

    Depth keeps its encoding and stamp and gets the RGB image's frame_id; camera_info is the RGB camera's. Depth of
    another frame is first registered to RGB, as `Alignment` describes, from the bag's CameraInfos and /tf_static.
    Finished frames lie in `target`.frames until the bag is whole: a rerun goes on from there.

    Parameters
    ----------
    source, target
        .bag files, or folders of ROS 2 bags (sqlite3 or mcap, kept as it is).
    upsample
        (rgb, depth) -> depth at RGB's size, in its dtype.
    settings
        What `upsample` depends on; frames made with other settings are not reused.
    rgb_topic, depth_topic
        Found by type and encoding if None.
    rgb_info_topic, depth_info_topic
        The camera_info beside the images if None.
    slop
        Seconds that the stamps of a pair may differ.
    scale, registered, extrinsics, invalid
        As for `Alignment`.
    overwrite
        Replace `target` once the new bag is whole.
    progress
        Called with the number of frames done and of all.

    Raises
    ------
    ValueError
        If the bag cannot be read, a topic is missing, ambiguous or of the wrong type, nothing matches within `slop`,
        depth cannot be registered, every frame fails, or `target` is of the other generation.
    FileExistsError
        If `target` exists.
    """
    Workspace.settle(target)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists; --overwrite replaces it")
    if (source.suffix == ".bag") != (target.suffix == ".bag"):
        raise ValueError(f"{source} and {target} must both be .bag files (ROS 1), or both folders (ROS 2)")
    with reading(source) as reader:
        topics = find_topics(reader, rgb_topic, depth_topic, rgb_info_topic, depth_info_topic)
        contents = scan(reader, topics)
        rgb_stamps, depth_stamps = contents.stamps["rgb"], contents.stamps["depth"]
        report = BagReport(topics, len(rgb_stamps), len(depth_stamps))
        matches = match_stamps(rgb_stamps, depth_stamps, slop)
        if not matches:
            raise ValueError(
                f"none of {report.rgb} images of {topics.rgb} and {report.depth} of {topics.depth} are within "
                f"{slop:g} s of each other: is --slop too small, or are the clocks different?"
            )
        report.pairs = len(matches)
        transforms = StaticTransforms()
        for message in contents.transforms:
            transforms.add(message)
        alignment = Alignment(scale, registered, topics.rgb, topics.depth, extrinsics, contents.infos, transforms,
                              invalid=invalid)  # fmt: skip
        alignment.motion(contents.frame_ids["rgb"], contents.frame_ids["depth"])  # refused before anything is written
        place = None if extrinsics is None else extrinsics.tolist()
        identity = [settings, str(source.resolve()), vars(topics), slop, scale, registered, place, invalid,
                    contents.stamps]  # fmt: skip
        workspace = Workspace(target, json.dumps(identity))
        with workspace.writing(reader) as writer:
            info = contents.infos.get("rgb")
            writer.add_connections(output_topic, with_info=info is not None)
            rgb_of = {depth: rgb for rgb, depth in matches}

            def upsample_pair(rgb: Any, depth: Any) -> Array:
                return np.asarray(upsample(*alignment(rgb, depth)))

            for done, result in enumerate(_merge(reader, writer, topics, rgb_of, upsample_pair, workspace, report)):
                writer.write_depth(*result, info)
                progress(done + 1, len(matches))
            if len(report.failed) == report.pairs:
                raise ValueError(f"all {report.pairs} frames failed; the first: {report.failed[0][1]}")
    return report


def _merge(
    reader: BagReader,
    writer: BagWriter,
    topics: Topics,
    rgb_of: dict[int, int],
    upsample: Callable[[Any, Any], Array],
    workspace: Workspace,
    report: BagReport,
) -> Iterator[tuple[Array, Any, str, int]]:
    """Copy every message; yields (depth, header of the LR depth, frame_id, bag time) as soon as a pair is whole."""
    depth_of = {rgb: depth for depth, rgb in rgb_of.items()}
    counts = {topics.rgb: 0, topics.depth: 0}
    waiting: dict[tuple[str, int], tuple[Any, int]] = {}
    for connection, time, raw in reader.messages():
        writer.copy(connection, time, raw)
        if connection.topic not in counts or not is_image(connection):
            continue
        index = counts[connection.topic]
        counts[connection.topic] += 1
        partners = rgb_of if connection.topic == topics.depth else depth_of
        if index not in partners:
            continue
        message = reader.decode(connection, raw)
        other = topics.rgb if connection.topic == topics.depth else topics.depth
        if (partner := waiting.pop((other, partners[index]), None)) is None:
            waiting[connection.topic, index] = (message, time)
            continue
        is_depth = connection.topic == topics.depth
        depth, rgb = (message, partner[0]) if is_depth else (partner[0], message)
        number = index if is_depth else partners[index]
        try:
            result = workspace.get(number)
            if result is None:
                result = upsample(rgb, depth)
                workspace.put(number, result)
            else:
                report.reused += 1
        except UNUSABLE as error:
            report.failed.append((stamp_of(depth), describe(error)))
            continue
        yield result, depth.header, rgb.header.frame_id, max(time, partner[1])
