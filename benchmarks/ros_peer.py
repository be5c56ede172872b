"""The other end of the live ROS 1 runs (see `benchmarks.ros_world`): publishes frames, keeps what comes back."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rospy
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from benchmarks.ros_world import Array, Exchange, Frame, Request
from bridgenet_infer.robotics.messages import image_fields, to_array

RGB_FRAME, DEPTH_FRAME = "camera_rgb", "camera_depth"
K = (525.0, 0.0, 319.5, 0.0, 525.0, 239.5, 0.0, 0.0, 1.0)


def main(request_file: str, exchange_file: str) -> None:
    """Answer a pickled `Request` with a pickled `Exchange`."""
    request: Request = pickle.loads(Path(request_file).read_bytes())
    rospy.init_node("peer")
    Path(exchange_file).write_bytes(pickle.dumps(run(request)))


def run(request: Request) -> Exchange:
    """Send and receive; raises TimeoutError if no node is there."""
    exchange = Exchange()
    publishers = [
        rospy.Publisher("rgb/image", Image, queue_size=10),
        rospy.Publisher("depth/image", Image, queue_size=10),
        rospy.Publisher("rgb/camera_info", CameraInfo, queue_size=10),
    ]

    def on_depth(message: Any) -> None:
        now = time.monotonic()
        exchange.depths.append((to_array(message), message.header.stamp.to_nsec(), message.header.frame_id, now))

    def on_info(message: Any) -> None:
        exchange.infos.append((message.header.stamp.to_nsec(), message.header.frame_id, message.width, message.K))

    def on_diagnostics(message: Any) -> None:
        (status,) = message.status
        exchange.diagnostics = (status.level, status.message, {pair.key: pair.value for pair in status.values})

    subscribers = [
        rospy.Subscriber("bridgenet/depth/image_raw", Image, on_depth, tcp_nodelay=True),
        rospy.Subscriber("bridgenet/depth/camera_info", CameraInfo, on_info),
        rospy.Subscriber("/diagnostics", DiagnosticArray, on_diagnostics),
    ]
    if not _wait_until(lambda: all(end.get_num_connections() for end in (*publishers, *subscribers)), 60):
        raise TimeoutError("no node /bridgenet")
    publishers[2].publish(_info(request.frames[0]))
    time.sleep(1)  # topics are not ordered among each other: the node must have it before the first frame
    start = time.monotonic()
    for i, frame in enumerate(request.frames):
        rgb = _image(frame.rgb, frame.rgb_stamp, RGB_FRAME)
        depth = _image(frame.depth, frame.depth_stamp, DEPTH_FRAME)
        time.sleep(max(start + i / request.rate - time.monotonic(), 0))
        exchange.sent[frame.depth_stamp] = time.monotonic()
        for publisher, message in zip(publishers, (rgb, depth, _info(frame)), strict=True):
            publisher.publish(message)
    _wait_until(lambda: _is_over(exchange, request.pairs), request.patience)
    return exchange


def _is_over(exchange: Exchange, pairs: int) -> bool:
    level = exchange.diagnostics[0]
    if pairs == 0:
        return level == 1
    if level < 0 or exchange.count("pairs received") < pairs:
        return False
    published = exchange.count("published")
    accounted = published + exchange.count("dropped") + exchange.count("failed")
    return accounted == pairs and len(exchange.depths) == len(exchange.infos) == published


def _info(frame: Frame) -> Any:
    height, width = frame.rgb.shape[:2]
    return CameraInfo(header=_header(frame.rgb_stamp, RGB_FRAME), height=height, width=width, K=K)


def _image(array: Array, stamp: int, frame_id: str) -> Any:
    return Image(header=_header(stamp, frame_id), **image_fields(array))


def _header(stamp: int, frame_id: str) -> Any:
    return Header(stamp=rospy.Time(*divmod(stamp, 10**9)), frame_id=frame_id)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


if __name__ == "__main__":
    main(*sys.argv[1:3])
