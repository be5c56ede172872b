"""Write recordings of a camera pair in each of three formats, for measurements and tests. It needs the extra bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import intrinsic_matrix
from bridgenet_infer.ros.messages import compressed_fields, image_fields
from testing.ros_world import Frame

KINDS = ("ros1", "sqlite3", "mcap")
RGB, RGB_INFO = "/camera/color/image_raw", "/camera/color/camera_info"
DEPTH, DEPTH_INFO = "/camera/depth/image_raw", "/camera/depth/camera_info"
TEXT, TRANSFORMS = "/chatter", "/tf_static"
RGB_FRAME, DEPTH_FRAME = "camera_rgb", "camera_depth"


@dataclass(frozen=True)
class Recording:
    """The content of a bag: images, and with each RGB image a CameraInfo and a text.

    Attributes
    ----------
    compressed
        CompressedImage (PNG, compressedDepth) instead of Image.
    focal
        Of the RGB camera, pixels.
    depth_frame
        frame_id of the depth images.
    depth_focal
        With a CameraInfo of the depth camera, too.
    place
        With /tf_static: x, y, z of the depth camera in the RGB camera's frame, in metres; it is not turned.
    """

    frames: Sequence[Frame]
    compressed: bool = False
    focal: float = 50.0
    depth_frame: str = RGB_FRAME
    depth_focal: float | None = None
    place: tuple[float, float, float] | None = None


def bag_path(folder: Path, name: str, kind: str) -> Path:
    """A .bag file, or a folder."""
    return folder / (f"{name}.bag" if kind == "ros1" else name)


def write_recording(path: Path, kind: str, recording: Recording) -> Path:
    """Write a bag of one of `KINDS`; bag times are the headers' stamps. Returns `path`."""
    with Recorder(path, kind) as recorder:
        if recording.place is not None:
            recorder.add_transform(recording.frames[0].rgb_stamp, recording.place, recording.depth_frame)
        for index, frame in enumerate(recording.frames):
            recorder.add(TEXT, "std_msgs/msg/String", frame.rgb_stamp, data=f"frame {index}")
            recorder.add_image(RGB, frame.rgb, frame.rgb_stamp, RGB_FRAME, "png" if recording.compressed else None)
            recorder.add_info(RGB_INFO, frame.rgb, recording.focal, frame.rgb_stamp, RGB_FRAME)
            stamp, frame_id = frame.depth_stamp, recording.depth_frame
            recorder.add_image(DEPTH, frame.depth, stamp, frame_id, "compressedDepth" if recording.compressed else None)
            if recording.depth_focal is not None:
                recorder.add_info(DEPTH_INFO, frame.depth, recording.depth_focal, stamp, frame_id)
    return path


class Recorder:
    """A bag that is being written, of one of `KINDS`."""

    def __init__(self, path: Path, kind: str) -> None:
        self.ros1 = kind == "ros1"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_HUMBLE)
        if self.ros1:  # the set for ROS 1 lacks it
            transforms = get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf2_msgs/msg/TFMessage")
            self.store.register(transforms)
        self.bag: Ros1Writer | Ros2Writer
        self.bag = Ros1Writer(path) if self.ros1 else Ros2Writer(path, version=8, storage_plugin=_plugin(kind))
        self.connections: dict[str, Connection] = {}

    def __enter__(self) -> Recorder:
        self.bag.open()
        return self

    def __exit__(self, *details: object) -> None:
        self.bag.close()

    def add_image(self, topic: str, array: Array, stamp: int, frame_id: str, compression: str | None = None) -> None:
        """An Image, or a CompressedImage."""
        fields = compressed_fields(array, compression) if compression else image_fields(array)
        self.add_fields(topic, fields, stamp, frame_id)

    def add_fields(self, topic: str, fields: dict[str, Any], stamp: int, frame_id: str) -> None:
        """An Image, or a CompressedImage where there is a format, of any fields."""
        name = "CompressedImage" if "format" in fields else "Image"
        fields = fields | {"data": np.frombuffer(fields["data"], np.uint8)}
        self.add(topic, f"sensor_msgs/msg/{name}", stamp, header=self._header(stamp, frame_id), **fields)

    def add_info(self, topic: str, image: Array, focal: float, stamp: int, frame_id: str) -> None:
        """The CameraInfo of an image from a camera without distortion, whose focal length is in pixels."""
        height, width = image.shape[:2]
        matrix = intrinsic_matrix(focal, focal, (width - 1) / 2, (height - 1) / 2)
        values = {"d": np.zeros(5), "k": matrix.ravel(), "r": np.eye(3).ravel(),
                  "p": np.pad(matrix, ((0, 0), (0, 1))).ravel()}  # fmt: skip
        self.add(
            topic, "sensor_msgs/msg/CameraInfo", stamp, header=self._header(stamp, frame_id),
            height=height, width=width, distortion_model="plumb_bob", binning_x=0, binning_y=0,
            roi=self.store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
            **{name.upper() if self.ros1 else name: value for name, value in values.items()},
        )  # fmt: skip

    def add_transform(
        self, stamp: int, place: tuple[float, float, float], depth_frame: str, topic: str = TRANSFORMS
    ) -> None:
        """The place of the depth camera."""
        types = self.store.types
        pose = types["geometry_msgs/msg/Transform"](
            translation=types["geometry_msgs/msg/Vector3"](*place),
            rotation=types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
        )
        link = types["geometry_msgs/msg/TransformStamped"](
            header=self._header(stamp, RGB_FRAME), child_frame_id=depth_frame, transform=pose
        )
        self.add(topic, "tf2_msgs/msg/TFMessage", stamp, transforms=[link])

    def add(self, topic: str, kind: str, time: int, **fields: Any) -> None:
        """One message; a topic is made with its first."""
        if topic not in self.connections:
            self.connections[topic] = self.bag.add_connection(topic, kind, typestore=self.store)
        serialise = self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr
        self.bag.write(self.connections[topic], time, serialise(self.store.types[kind](**fields), kind))

    def _header(self, stamp: int, frame_id: str) -> Any:
        time = self.store.types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
        sequence = {"seq": 0} if self.ros1 else {}
        return self.store.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id, **sequence)


def _plugin(kind: str) -> StoragePlugin:
    return StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
