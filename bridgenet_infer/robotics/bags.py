"""Recorded bags of ROS 1 and ROS 2: up-sampled depth written next to copies of the originals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.typesys import Stores, get_typestore

from .matching import match_stamps
from .messages import image_fields, to_array

Array = npt.NDArray[Any]
IMAGE, COMPRESSED, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
ROS2_VERSION: Final = 8  # of the metadata, read by Humble and later


@dataclass(frozen=True)
class Topics:
    """Names in a bag; `info` is the RGB camera's CameraInfo, None if the bag has none."""

    rgb: str
    depth: str
    info: str | None


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
    output_topic: str = "/bridgenet/depth/image_raw",
    slop: float = 0.02,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BagReport:
    """Copy a bag and add up-sampled depth and its camera_info.

    Depth keeps its encoding and stamp and gets the RGB image's frame_id; camera_info is the RGB camera's.
    Finished frames lie in `target`.frames until the bag is whole: a rerun goes on from there.

    Parameters
    ----------
    source, target
        .bag files, or folders of ROS 2 bags (sqlite3 or mcap, kept as it is).
    upsample
        (rgb, depth) -> depth at RGB's size, in its dtype.
    settings
        What the result depends on; frames made with other settings are not reused.
    rgb_topic, depth_topic
        Found by type and encoding if None.
    slop
        Seconds that the stamps of a pair may differ.
    progress
        Called with the number of frames done and of all.

    Raises
    ------
    ValueError
        If the bag cannot be read, a topic is missing, ambiguous or of the wrong type, nothing matches within `slop`,
        every frame fails, or `target` is of the other generation.
    FileExistsError
        If `target` exists.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists")
    if (source.suffix == ".bag") != (target.suffix == ".bag"):
        raise ValueError(f"{source} and {target} must both be .bag files (ROS 1), or both folders (ROS 2)")
    with _reading(source) as reader:
        topics = _find_topics(reader, rgb_topic, depth_topic)
        rgb_stamps, depth_stamps, info = _scan(reader, topics)
        report = BagReport(topics, len(rgb_stamps), len(depth_stamps))
        matches = match_stamps([s / 1e9 for s in rgb_stamps], [s / 1e9 for s in depth_stamps], slop)
        if not matches:
            raise ValueError(
                f"none of {report.rgb} images of {topics.rgb} and {report.depth} of {topics.depth} are within "
                f"{slop:g} s of each other: is the slop too small, or are the clocks different?"
            )
        report.pairs = len(matches)
        frames = _FrameFolder(target.with_name(target.name + ".frames"), settings)
        with _writing(reader, source, target) as writer:
            writer.copy_connections(output_topic, with_info=info is not None)
            rgb_of = {depth: rgb for rgb, depth in matches}
            for done, result in enumerate(_merge(reader, writer, topics, rgb_of, upsample, frames, report)):
                writer.write_depth(*result, info)
                progress(done + 1, len(matches))
            if len(report.failed) == report.pairs:
                raise ValueError(f"all {report.pairs} frames failed; the first: {report.failed[0][1]}")
        frames.remove()
    return report


def _merge(
    reader: AnyReader,
    writer: _Writer,
    topics: Topics,
    rgb_of: dict[int, int],
    upsample: Callable[[Array, Array], Any],
    frames: _FrameFolder,
    report: BagReport,
) -> Iterator[tuple[Array, Any, str, int]]:
    """Copy every message; yields (depth, header of the LR depth, frame_id, bag time) as soon as a pair is whole."""
    depth_of = {rgb: depth for depth, rgb in rgb_of.items()}
    counts = {topics.rgb: 0, topics.depth: 0}
    waiting: dict[tuple[str, int], tuple[Any, int]] = {}
    for connection, time, raw in reader.messages():
        writer.copy(connection, time, raw)
        if connection.topic not in counts or connection.msgtype not in (IMAGE, COMPRESSED):
            continue
        index = counts[connection.topic]
        counts[connection.topic] += 1
        partners = rgb_of if connection.topic == topics.depth else depth_of
        if index not in partners:
            continue
        message: Any = reader.deserialize(raw, connection.msgtype)
        other = topics.rgb if connection.topic == topics.depth else topics.depth
        if (partner := waiting.pop((other, partners[index]), None)) is None:
            waiting[connection.topic, index] = (message, time)
            continue
        is_depth = connection.topic == topics.depth
        depth, rgb = (message, partner[0]) if is_depth else (partner[0], message)
        number = index if is_depth else partners[index]
        try:
            result = frames.get(number)
            if result is None:
                result = np.asarray(upsample(to_array(rgb), to_array(depth)))
                frames.put(number, result)
            else:
                report.reused += 1
        except ValueError as error:
            report.failed.append((_stamp(depth), str(error)))
            continue
        yield result, depth.header, rgb.header.frame_id, max(time, partner[1])


@contextmanager
def _reading(source: Path) -> Iterator[AnyReader]:
    try:
        reader = AnyReader([source], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    except FileNotFoundError:
        raise
    except (AnyReaderError, OSError, ValueError, KeyError, AssertionError) as error:
        hint = ": if the recording was cut off, 'rosbag reindex' may help" if source.suffix == ".bag" else ""
        raise ValueError(f"{source} cannot be read as a bag ({error}){hint}") from error
    try:
        yield reader
    finally:
        reader.close()


def _find_topics(reader: AnyReader, rgb: str | None, depth: str | None) -> Topics:
    kinds: dict[str, str] = {}  # topic -> "rgb" or "depth"
    for connection in reader.connections:
        if connection.msgtype in (IMAGE, COMPRESSED) and connection.topic not in kinds:
            kind = _kind_of(reader, connection)
            if kind:
                kinds[connection.topic] = kind
    chosen = {}
    for kind, name in (("rgb", rgb), ("depth", depth)):
        found = sorted(topic for topic, is_kind in kinds.items() if is_kind == kind)
        listing = ", ".join(f"{topic} ({is_kind})" for topic, is_kind in sorted(kinds.items())) or "none"
        if name is None and len(found) != 1:
            number = "no" if not found else "more than one"
            raise ValueError(f"{number} {kind} topic in the bag, name it with --{kind}; image topics: {listing}")
        if name is not None and kinds.get(name) != kind:
            raise ValueError(f"{name} is no {kind} topic of the bag; image topics: {listing}")
        chosen[kind] = name or found[0]
    info = chosen["rgb"].removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
    has_info = any(c.topic == info and c.msgtype == INFO for c in reader.connections)
    return Topics(chosen["rgb"], chosen["depth"], info if has_info else None)


def _kind_of(reader: AnyReader, connection: Connection) -> str | None:
    """By the first message; None for a topic without messages or with an encoding that is neither."""
    for _, _, raw in reader.messages([connection]):
        message: Any = reader.deserialize(raw, connection.msgtype)
        if connection.msgtype == IMAGE:
            if message.encoding in DEPTH_ENCODINGS:
                return "depth"
            return "rgb" if message.encoding in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC3") else None
        return "depth" if message.format.startswith(DEPTH_ENCODINGS) else "rgb"
    return None


def _scan(reader: AnyReader, topics: Topics) -> tuple[list[int], list[int], Any]:
    """Header stamps in nanoseconds, in the bag's order, and the first CameraInfo (None without a topic)."""
    stamps: dict[str, list[int]] = {topics.rgb: [], topics.depth: []}
    info = None
    wanted = [c for c in reader.connections if c.topic in (topics.rgb, topics.depth, topics.info)]
    for connection, _, raw in reader.messages(wanted):
        if connection.msgtype in (IMAGE, COMPRESSED):
            stamps[connection.topic].append(_stamp(reader.deserialize(raw, connection.msgtype)))
        elif info is None:
            info = reader.deserialize(raw, connection.msgtype)
    return stamps[topics.rgb], stamps[topics.depth], info


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


class _Writer:
    """A bag of the source's generation, with copies of its messages and our two topics."""

    def __init__(self, reader: AnyReader, bag: Ros1Writer | Ros2Writer) -> None:
        self.reader, self.bag = reader, bag
        self.store = get_typestore(Stores.ROS2_HUMBLE if reader.is2 else Stores.ROS1_NOETIC)
        self.copies: dict[int, Connection] = {}
        self.depth: Connection | None = None
        self.info: Connection | None = None

    def copy_connections(self, output_topic: str, with_info: bool) -> None:
        for connection in self.reader.connections:
            ext: Any = connection.ext
            if isinstance(self.bag, Ros1Writer):
                copied = self.bag.add_connection(
                    connection.topic, connection.msgtype, msgdef=connection.msgdef.data, md5sum=connection.digest,
                    callerid=ext.callerid, latching=ext.latching,
                )  # fmt: skip
            else:
                copied = self.bag.add_connection(
                    connection.topic, connection.msgtype, typestore=self.reader.typestore,
                    serialization_format=ext.serialization_format, offered_qos_profiles=ext.offered_qos_profiles,
                )  # fmt: skip
            self.copies[connection.id] = copied
        self.depth = self.bag.add_connection(output_topic, IMAGE, typestore=self.store)
        if with_info:
            name = output_topic.rpartition("/")[0] + "/camera_info"
            self.info = self.bag.add_connection(name, INFO, typestore=self.store)

    def copy(self, connection: Connection, time: int, raw: bytes) -> None:
        self.bag.write(self.copies[connection.id], time, raw)

    def write_depth(self, depth: Array, header: Any, frame_id: str, time: int, info: Any) -> None:
        types = self.store.types
        stamp = types["builtin_interfaces/msg/Time"](header.stamp.sec, header.stamp.nanosec)
        sequence = {} if self.reader.is2 else {"seq": header.seq}
        new_header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id, **sequence)
        fields = image_fields(depth)
        fields["data"] = np.frombuffer(fields["data"], np.uint8)
        self._write(self.depth, types[IMAGE](header=new_header, **fields), time)
        if self.info is not None:
            names = [name for name in info.__dataclass_fields__ if name not in ("header", "__msgtype__")]
            copied = {name: getattr(info, name) for name in names}
            self._write(self.info, types[INFO](header=new_header, **copied), time)

    def _write(self, connection: Connection | None, message: Any, time: int) -> None:
        if connection is None:
            raise RuntimeError("copy_connections comes first")
        serialise = self.store.serialize_cdr if self.reader.is2 else self.store.serialize_ros1
        self.bag.write(connection, time, serialise(message, connection.msgtype))


@contextmanager
def _writing(reader: AnyReader, source: Path, target: Path) -> Iterator[_Writer]:
    """The target appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bridgenet-", dir=target.parent) as folder:
        partial = Path(folder) / target.name
        bag: Ros1Writer | Ros2Writer
        if reader.is2:
            plugin = StoragePlugin.MCAP if any(source.glob("*.mcap")) else StoragePlugin.SQLITE3
            bag = Ros2Writer(partial, version=ROS2_VERSION, storage_plugin=plugin)
        else:
            bag = Ros1Writer(partial)
        with bag:
            yield _Writer(reader, bag)
        os.replace(partial, target)


class _FrameFolder:
    """Finished frames as .npy, kept while a bag is being made."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        note, wanted = folder / "settings.json", {"settings": hashlib.sha256(settings.encode()).hexdigest()}
        if folder.exists() and (not note.exists() or json.loads(note.read_text()) != wanted):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(wanted))

    def get(self, index: int) -> Array | None:
        path = self._path(index)
        return np.load(path) if path.exists() else None

    def put(self, index: int, depth: Array) -> None:
        partial = self._path(index).with_suffix(".part")
        with partial.open("wb") as file:
            np.save(file, depth)
        os.replace(partial, self._path(index))

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.npy"
