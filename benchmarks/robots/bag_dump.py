"""What a bag holds, as JSON, by readers that are not ours: `python benchmarks/robots/bag_dump.py BAG`.

.bag by ROS 1's rosbag (Debian: python3-rosbag, for the system's interpreter), mcap by the package mcap-ros2-support,
sqlite3 by the standard library and the same package's decoder. Imports nothing of this project nor of rosbags.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Dumped = tuple[str, int, bytes, Any]  # topic, bag time in nanoseconds, bytes of the message, the message


def dump(path: Path) -> dict[str, list[dict[str, Any]]]:
    """For each topic its messages in order: bag time in nanoseconds, sha256 of their bytes, and their fields."""
    topics: dict[str, list[dict[str, Any]]] = {}
    for topic, time, raw, message in _read(path):
        entry = {"time": time, "sha256": hashlib.sha256(raw).hexdigest(), "fields": plain(message)}
        topics.setdefault(topic, []).append(entry)
    return topics


def plain(value: Any) -> Any:
    """Fields by lower-case name, times in nanoseconds; bytes by their sha256."""
    if isinstance(value, bytes | bytearray | memoryview):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    names = list(value.__slots__)
    for seconds, rest in (("secs", "nsecs"), ("sec", "nanosec")):
        if names == [seconds, rest]:
            return getattr(value, seconds) * 10**9 + getattr(value, rest)
    return {name.lower(): plain(getattr(value, name)) for name in names}


def _read(path: Path) -> Iterator[Dumped]:
    if path.suffix == ".bag":
        return _read_ros1(path)
    files = sorted(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    return _read_mcap(files[0]) if files[0].suffix == ".mcap" else _read_sqlite3(files[0])


def _read_ros1(path: Path) -> Iterator[Dumped]:
    import rosbag

    with rosbag.Bag(str(path)) as bag:
        for topic, (_, raw, *_, kind), time in bag.read_messages(raw=True):
            yield topic, time.to_nsec(), raw, kind().deserialize(raw)


def _read_mcap(path: Path) -> Iterator[Dumped]:
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, message, decoded in reader.iter_decoded_messages():
            yield channel.topic, message.log_time, message.data, decoded


def _read_sqlite3(path: Path) -> Iterator[Dumped]:
    import sqlite3

    from mcap.records import Schema
    from mcap_ros2.decoder import DecoderFactory

    database, factory = sqlite3.connect(path), DecoderFactory()
    decoders: dict[str, Any] = {}
    definitions = database.execute("SELECT id, topic_type, encoded_message_definition FROM message_definitions")
    for number, kind, text in definitions:
        schema = Schema(id=number, data=text.encode(), encoding="ros2msg", name=kind)
        decoders[kind] = factory.decoder_for("cdr", schema)
    messages = "messages JOIN topics ON topic_id = topics.id ORDER BY timestamp, messages.id"
    for topic, kind, time, raw in database.execute(f"SELECT name, type, timestamp, data FROM {messages}"):
        yield topic, time, raw, decoders[kind](raw)
    database.close()


if __name__ == "__main__":
    json.dump(dump(Path(sys.argv[1])), sys.stdout)
