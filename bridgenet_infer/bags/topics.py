"""Which topics of a bag are RGB and depth, and what it says of the two cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.interfaces import Connection

from ..ros.alignment import image_topic
from ..ros.messages import stamp_of, to_array
from .files import IMAGE, INFO, BagReader

COMPRESSED, TRANSFORMS = "sensor_msgs/msg/CompressedImage", "tf2_msgs/msg/TFMessage"
BY_ITSELF = {"rgb": ("rgb", "grey"), "depth": ("depth",)}
STILL = 1e-6  # metres, and parts of a quaternion
TRIED = 5  # messages of a topic: the first may be damaged


@dataclass(frozen=True)
class Topics:
    """Names in a bag; those of CameraInfos are None if the bag has none."""

    rgb: str
    depth: str
    rgb_info: str | None
    depth_info: str | None


@dataclass
class Contents:
    """What a bag says, before frames are worked on.

    Attributes
    ----------
    stamps
        Of "rgb" and "depth" images: header stamps in nanoseconds, in the bag's order.
    frame_ids
        Of the first image of each.
    infos
        The first CameraInfo of each, as far as there are any.
    transforms
        Messages whose transforms do not change: those of /tf that stay the same throughout, then all of /tf_static.
    """

    stamps: dict[str, list[int]] = field(default_factory=lambda: {"rgb": [], "depth": []})
    frame_ids: dict[str, str] = field(default_factory=dict)
    infos: dict[str, Any] = field(default_factory=dict)
    transforms: list[Any] = field(default_factory=list)


def is_image(connection: Connection) -> bool:
    """Whether a topic holds images, compressed or not."""
    return connection.msgtype in (IMAGE, COMPRESSED)


def find_topics(
    reader: BagReader, rgb: str | None, depth: str | None, rgb_info: str | None, depth_info: str | None
) -> Topics:
    """Images by their samples where no name is given; CameraInfos beside them, as everywhere in ROS.

    Samples of 16 bits or float are depth, and of 8 bits a picture. Who names a topic may take 16 bits for a picture.

    Raises
    ------
    ValueError
        If a topic is missing, ambiguous or of the wrong type; lists those that there are.
    """
    kinds: dict[str, str] = {}
    for connection in reader.connections:
        if is_image(connection) and kinds.get(connection.topic, "empty") == "empty":
            kinds[connection.topic] = _kind_of(reader, connection)
    listing = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(kinds.items())) or "none"
    chosen = {}
    for wanted, name in (("rgb", rgb), ("depth", depth)):
        found = sorted(topic for topic, kind in kinds.items() if kind in BY_ITSELF[wanted])
        if name is None and len(found) != 1:
            number = "no" if not found else "more than one"
            raise ValueError(f"{number} {wanted} topic in the bag, name it with --{wanted}; image topics: {listing}")
        if name is not None and not _can_be(wanted, kinds.get(name, "")):
            raise ValueError(f"{name} is no {wanted} topic of the bag; image topics: {listing}")
        chosen[wanted] = name or found[0]
    return Topics(
        chosen["rgb"], chosen["depth"],
        _find_info(reader, chosen["rgb"], rgb_info), _find_info(reader, chosen["depth"], depth_info),
    )  # fmt: skip


def scan(reader: BagReader, topics: Topics) -> Contents:
    """Read stamps, frame_ids, CameraInfos and the transforms that do not change.

    Raises
    ------
    ValueError
        If a message cannot be read, or a topic's stamps say nothing.
    """
    contents = Contents()
    image_kinds = {topics.rgb: "rgb", topics.depth: "depth"}
    info_topics = {"rgb": topics.rgb_info, "depth": topics.depth_info}
    wanted = [c for c in reader.connections if c.topic in (*image_kinds, *info_topics.values()) or _is_tree(c)]
    moving = Moving()
    for connection, _, raw in reader.messages(wanted):
        message = reader.decode(connection, raw)
        if connection.msgtype == TRANSFORMS:
            if _last(connection) == "tf":
                moving.add(message)
            else:
                contents.transforms.append(message)
        elif is_image(connection):
            kind = image_kinds[connection.topic]
            contents.stamps[kind].append(stamp_of(message))
            contents.frame_ids.setdefault(kind, message.header.frame_id)
        else:
            for kind, topic in info_topics.items():
                if topic == connection.topic:
                    contents.infos.setdefault(kind, message)
    contents.transforms.insert(0, moving.constant())
    for topic, kind in image_kinds.items():
        stamps = contents.stamps[kind]
        if len(stamps) > 1 and len(set(stamps)) == 1:
            raise ValueError(
                f"all {len(stamps)} messages of {topic} have the stamp {stamps[0] / 1e9:g} s, but RGB and depth are "
                "paired by the stamps of their headers: were they left empty?"
            )
    return contents


def _find_info(reader: BagReader, image: str, name: str | None) -> str | None:
    beside = image_topic(image)
    if beside.endswith("/image/data"):  # librealsense's recorder
        beside = beside.removesuffix("/image/data") + "/info/data"
    topic = name or beside.rpartition("/")[0] + "/camera_info"
    if any(c.topic == topic and c.msgtype == INFO for c in reader.connections):
        return topic
    if name is not None:
        listing = ", ".join(sorted(c.topic for c in reader.connections if c.msgtype == INFO)) or "none"
        raise ValueError(f"{name} is no CameraInfo topic of the bag; there are: {listing}")
    return None


def _kind_of(reader: BagReader, connection: Connection) -> str:
    """By the first message that can be decoded: "depth", "rgb", "grey" (8 bits), "empty", or a reason."""
    kind = "empty"
    for _, _, raw in islice(reader.messages([connection]), TRIED):
        try:
            pixels = to_array(reader.decode(connection, raw))
        except ValueError as error:
            kind = str(error)
            continue
        if pixels.ndim == 2:
            return "grey" if pixels.dtype == np.uint8 else "depth"
        return "rgb"
    return kind


def _can_be(wanted: str, kind: str) -> bool:
    """Whether a topic of a kind can be taken for depth or RGB by who names it."""
    return kind == wanted or (wanted == "rgb" and kind in BY_ITSELF["rgb"] + BY_ITSELF["depth"])


class Moving:
    """The transforms of /tf, of which many are constant: some drivers repeat there what never changes."""

    def __init__(self) -> None:
        self._first: dict[str, Any] = {}
        self._changed: set[str] = set()

    def add(self, message: Any) -> None:
        """Take a tf2_msgs/TFMessage."""
        for transform in message.transforms:
            first = self._first.setdefault(transform.child_frame_id, transform)
            if not np.allclose(_numbers(first), _numbers(transform), rtol=0, atol=STILL) or (
                first.header.frame_id != transform.header.frame_id
            ):
                self._changed.add(transform.child_frame_id)

    def constant(self) -> Any:
        """A message of those that were the same in all messages."""
        return SimpleNamespace(transforms=[t for child, t in self._first.items() if child not in self._changed])


def _numbers(transform: Any) -> list[float]:
    place, turn = transform.transform.translation, transform.transform.rotation
    return [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w]


def _is_tree(connection: Connection) -> bool:
    """/tf and /tf_static, in whatever namespace."""
    return connection.msgtype == TRANSFORMS and _last(connection) in ("tf", "tf_static")


def _last(connection: Connection) -> str:
    return connection.topic.rpartition("/")[2]
