"""Bags of ROS 1 and ROS 2 on disk: read, copied with two topics more, and the frames of a run that is not over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag1 import WriterError as Ros1WriterError
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.rosbag2 import WriterError as Ros2WriterError
from rosbags.typesys import Stores, get_typestore

from bridgenet_infer.arrays import Array

from ..files import PART, write_atomically
from ..ros.messages import image_fields
from ..write import write_depth

IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
ROS2_VERSION: Final = 8  # of the metadata, read by Humble and later
REPLACED = "replaced"  # a bag of ROS 2, until the new one is in its place
NO_HASH = "RIHS01_" + 64 * "0"


class BagReader:
    """A bag of any kind; what the decoders of its format make of damaged bytes becomes a ValueError.

    Attributes
    ----------
    connections
        As rosbags has them: topic, msgtype, and what it takes to copy them.
    is_ros2, is_mcap
        The kind of the bag; sqlite3 if it is of ROS 2 and no mcap.
    """

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path, self._reader = path, reader
        self.connections = reader.connections
        self.is_ros2 = reader.is2
        self.is_mcap = path.suffix == ".mcap" or any(path.glob("*.mcap*"))  # compressed ones end with .mcap.zstd
        self.typestore = reader.typestore

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[tuple[Connection, int, bytes]]:
        """Connection, bag time and bytes of all messages, or of those of some connections, in the bag's order."""
        messages, count = self._reader.messages(connections), 0
        while True:
            try:
                message = next(messages, None)
            except Exception as error:
                raise ValueError(f"{self.path} is damaged after {count} messages read ({error!r})") from error
            if message is None:
                return
            count += 1
            yield message

    def decode(self, connection: Connection, raw: bytes) -> Any:
        """A message's fields."""
        try:
            return self._reader.deserialize(raw, connection.msgtype)
        except Exception as error:
            raise ValueError(f"a message of {connection.topic} cannot be decoded ({error!r})") from error


@contextmanager
def reading(source: Path) -> Iterator[BagReader]:
    """Open a .bag file or a folder of ROS 2; FileNotFoundError, or ValueError if it cannot be read."""
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
    try:
        reader = AnyReader([source], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    except Exception as error:  # damaged bytes can raise anything
        cure = "'rosbag reindex'" if source.suffix == ".bag" else "'ros2 bag reindex' or 'mcap recover'"
        reason = str(error) or repr(error)
        raise ValueError(
            f"{source} cannot be read as a bag ({reason}): if the recording was cut off, {cure} may help"
        ) from error
    try:
        yield BagReader(source, reader)
    finally:
        reader.close()


class BagWriter:
    """A bag of the source's kind, with copies of its messages and our two topics."""

    def __init__(self, reader: BagReader, bag: Ros1Writer | Ros2Writer) -> None:
        self._reader, self._bag = reader, bag
        self._store = get_typestore(Stores.ROS2_HUMBLE if reader.is_ros2 else Stores.ROS1_NOETIC)
        self._copies: dict[int, Connection] = {}
        self._depth: Connection | None = None
        self._info: Connection | None = None

    def add_connections(self, output_topic: str, with_info: bool) -> None:
        """Those of the source, and ours; ValueError if one of ours is there already or a type cannot be written."""
        topics = [output_topic, output_topic.rpartition("/")[0] + "/camera_info"][: 1 + with_info]
        for connection in self._reader.connections:
            if connection.topic in topics:
                raise ValueError(f"the bag has {connection.topic} already; choose another name with --output-topic")
            # a node that was restarted while it was recorded has the same connection twice
            twin = next((c for c in self._reader.connections if _key(c) == _key(connection)), connection)
            try:
                self._copies[connection.id] = self._copies.get(twin.id) or self._copy(connection)
            except (Ros1WriterError, Ros2WriterError) as error:  # two connections that differ in what no bag can
                raise ValueError(f"{connection.topic} cannot be copied: {error}") from error
        self._depth = self._bag.add_connection(topics[0], IMAGE, typestore=self._store)
        if with_info:
            self._info = self._bag.add_connection(topics[1], INFO, typestore=self._store)

    def copy(self, connection: Connection, time: int, raw: bytes) -> None:
        """One message, byte by byte."""
        self._bag.write(self._copies[connection.id], time, raw)

    def write_depth(self, depth: Array, header: Any, frame_id: str, time: int, info: Any) -> None:
        """Depth with the stamp of `header`, and the CameraInfo under the same header, if there is one."""
        types = self._store.types
        stamp = types["builtin_interfaces/msg/Time"](header.stamp.sec, header.stamp.nanosec)
        sequence = {} if self._reader.is_ros2 else {"seq": header.seq}
        new_header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id, **sequence)
        fields = image_fields(depth)
        fields["data"] = np.frombuffer(fields["data"], np.uint8)
        self._write(self._depth, types[IMAGE](header=new_header, **fields), time)
        if self._info is not None:
            names = [name for name in info.__dataclass_fields__ if name not in ("header", "__msgtype__")]
            copied = {name: getattr(info, name) for name in names}
            self._write(self._info, types[INFO](header=new_header, **copied), time)

    def _copy(self, connection: Connection) -> Connection:
        ext: Any = connection.ext
        if isinstance(self._bag, Ros1Writer):
            return self._bag.add_connection(
                connection.topic, connection.msgtype, msgdef=connection.msgdef.data, md5sum=connection.digest,
                callerid=ext.callerid, latching=ext.latching,
            )  # fmt: skip
        definition: dict[str, Any] = {"typestore": self._reader.typestore}
        if connection.msgtype not in self._reader.typestore.fielddefs:
            if self._reader.is_mcap:
                raise ValueError(f"the bag does not define {connection.msgtype} of {connection.topic}")
            self._bag.added_types.add(connection.msgtype)  # in sqlite3, topics need no definition
            definition = {"msgdef": "", "rihs01": connection.digest or NO_HASH}
        return self._bag.add_connection(
            connection.topic, connection.msgtype, serialization_format=ext.serialization_format,
            offered_qos_profiles=ext.offered_qos_profiles, **definition,
        )  # fmt: skip

    def _write(self, connection: Connection | None, message: Any, time: int) -> None:
        if connection is None:
            raise RuntimeError("add_connections comes first")
        serialise = self._store.serialize_cdr if self._reader.is_ros2 else self._store.serialize_ros1
        self._bag.write(connection, time, serialise(message, connection.msgtype))


class Workspace:
    """The folder OUT.frames: finished frames as .npy, kept from run to run, and the bag that is being written."""

    def __init__(self, target: Path, identity: str) -> None:
        """Frames of a run with another `identity` are thrown away, and a bag that a killed run left half-written."""
        self.target, self.folder = target, frames_folder(target)
        self._partial = self.folder / "bag" / target.name
        note = self.folder / "settings.json"
        wanted = json.dumps({"settings": hashlib.sha256(identity.encode()).hexdigest()}).encode()
        if note.exists() and note.read_bytes() == wanted:
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        write_atomically(note, wanted)

    @staticmethod
    def settle(target: Path) -> None:
        """Tidy up after a run that was killed in its last moments: either its bag is at the target, or the old one."""
        folder = frames_folder(target)
        bag, replaced = folder / "bag", folder / REPLACED
        shutil.rmtree(_rubbish(folder), ignore_errors=True)
        if not target.exists() and replaced.exists():
            os.replace(replaced, target)
        elif target.exists() and bag.is_dir() and not any(bag.iterdir()):  # the new one was moved out of it
            shutil.rmtree(folder)

    def get(self, index: int) -> Array | None:
        """A finished frame, None if there is none."""
        path = self._path(index)
        return np.load(path) if path.exists() else None

    def put(self, index: int, depth: Array) -> None:
        """Keep a frame, whole or not at all."""
        write_depth(self._path(index), depth)

    @contextmanager
    def writing(self, reader: BagReader) -> Iterator[BagWriter]:
        """Write the bag; it appears at the target, replacing what is there, when the block ends without an error.

        After that the folder is gone; after an error it stays if there are finished frames.
        """
        shutil.rmtree(self._partial.parent, ignore_errors=True)
        try:
            self._partial.parent.mkdir()
            with _new_bag(reader, self._partial) as bag:
                yield BagWriter(reader, bag)
        except BaseException as error:
            shutil.rmtree(self._partial.parent, ignore_errors=True)
            if not any(self.folder.glob("*.npy")):
                shutil.rmtree(self.folder)
            if isinstance(error, sqlite3.Error):  # a full disk, above all
                raise OSError(f"{self.target} cannot be written: {error}") from error
            raise
        if self.target.is_dir():  # which nothing can replace in one step
            os.replace(self.target, self.folder / REPLACED)
        os.replace(self._partial, self.target)
        os.replace(self.folder, _rubbish(self.folder))
        shutil.rmtree(_rubbish(self.folder))

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.npy"


def frames_folder(target: Path) -> Path:
    """Where the finished frames lie while a bag is being made."""
    return target.with_name(target.name + ".frames")


def _rubbish(folder: Path) -> Path:
    """What a folder is called while it is deleted."""
    return folder.with_name(f".{folder.name}{PART}")


def _new_bag(reader: BagReader, path: Path) -> Ros1Writer | Ros2Writer:
    if not reader.is_ros2:
        return Ros1Writer(path)
    plugin = StoragePlugin.MCAP if reader.is_mcap else StoragePlugin.SQLITE3
    return Ros2Writer(path, version=ROS2_VERSION, storage_plugin=plugin)


def _key(connection: Connection) -> tuple[Any, ...]:
    return (connection.topic, connection.msgtype, connection.digest, connection.ext)
