"""The peer of the live ROS 1 runs (see `testing.ros_world`): it publishes frames and keeps the node's answers."""

import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rospy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from bridgenet_infer.arrays import Array
from bridgenet_infer.ros.matching import QUEUE_SIZE
from bridgenet_infer.ros.messages import image_fields, to_array
from testing.clouds import read_cloud
from testing.ros_world import Exchange, Request

RGB_FRAME, DEPTH_FRAME = "camera_rgb", "camera_depth"


def main(request_file: str, exchange_file: str) -> None:
    """Answer a pickled `Request` with a pickled `Exchange`."""
    request: Request = pickle.loads(Path(request_file).read_bytes())
    rospy.init_node("peer")
    Path(exchange_file).write_bytes(pickle.dumps(run(request)))


def run(request: Request) -> Exchange:
    """Send and receive; raises TimeoutError if no node is there."""
    exchange = Exchange()
    publishers = [
        rospy.Publisher("rgb/image", Image, queue_size=QUEUE_SIZE),
        rospy.Publisher("depth/image", Image, queue_size=QUEUE_SIZE),
        rospy.Publisher("rgb/camera_info", CameraInfo, queue_size=QUEUE_SIZE),
    ]

    def on_depth(message: Any) -> None:
        now = time.monotonic()
        exchange.depths.append((to_array(message), message.header.stamp.to_nsec(), message.header.frame_id, now))

    def on_info(message: Any) -> None:
        exchange.infos.append((message.header.stamp.to_nsec(), message.header.frame_id, message.width, message.K))

    def on_points(message: Any) -> None:
        exchange.clouds[message.header.stamp.to_nsec()] = read_cloud(message)

    def on_diagnostics(message: Any) -> None:
        (status,) = message.status
        exchange.diagnostics = (status.level, status.message, {pair.key: pair.value for pair in status.values})

    subscribers = [
        rospy.Subscriber("bridgenet/depth/image_raw", Image, on_depth, tcp_nodelay=True),
        rospy.Subscriber("bridgenet/depth/camera_info", CameraInfo, on_info),
        rospy.Subscriber("/diagnostics", DiagnosticArray, on_diagnostics),
        *([rospy.Subscriber("bridgenet/depth/points", PointCloud2, on_points)] if request.points else []),
    ]
    if not _wait_until(lambda: all(end.get_num_connections() for end in (*publishers, *subscribers)), 300):
        raise TimeoutError("no node /bridgenet")
    first = request.frames[0]
    publishers[2].publish(_info(first.rgb, request.focal, first.rgb_stamp, RGB_FRAME))
    latched = _latched(request)
    # topics are not ordered among each other: the node must have it before the first frame, and tells of itself only
    # once a second
    told = exchange.diagnostics
    time.sleep(1)
    _wait_until(lambda: exchange.diagnostics is not told, 60)
    start = time.monotonic()
    for i, frame in enumerate(request.frames):
        rgb = _image(frame.rgb, frame.rgb_stamp, RGB_FRAME)
        depth = _image(frame.depth, frame.depth_stamp, DEPTH_FRAME)
        info = _info(frame.rgb, request.focal, frame.rgb_stamp, RGB_FRAME)
        time.sleep(max(start + i / request.rate - time.monotonic(), 0))
        exchange.sent[frame.depth_stamp] = time.monotonic()
        for publisher, message in zip(publishers, (rgb, depth, info), strict=True):
            publisher.publish(message)
    _wait_until(lambda: _is_over(exchange, request), request.patience)
    for publisher in latched:
        publisher.unregister()
    return exchange


def _is_over(exchange: Exchange, request: Request) -> bool:
    level, complaint, _ = exchange.diagnostics
    pairs, frames = request.pairs, len(request.frames)
    if pairs == 0:  # it may also have complained before all had come
        return level == 1 and f"({frames} rgb and {frames} depth messages)" in complaint
    if level < 0 or exchange.count("pairs received") < pairs:
        return False
    published = exchange.count("published")
    accounted = published + exchange.count("dropped") + exchange.count("failed")
    if request.points and len(exchange.clouds) < published:
        return False
    return accounted == pairs and len(exchange.depths) == len(exchange.infos) == published


def _latched(request: Request) -> list[Any]:
    """Publishers of the messages that the node needs once in order to register depth."""
    if request.depth_focal is None:
        return []
    depth_info = rospy.Publisher("depth/camera_info", CameraInfo, queue_size=1, latch=True)
    transforms = rospy.Publisher("/tf_static", TFMessage, queue_size=1, latch=True)
    first = request.frames[0]
    depth_info.publish(_info(first.depth, request.depth_focal, first.depth_stamp, DEPTH_FRAME))
    pose = Transform(Vector3(*request.place), Quaternion(0.0, 0.0, 0.0, 1.0))
    transforms.publish(TFMessage([TransformStamped(_header(0, RGB_FRAME), DEPTH_FRAME, pose)]))
    return [depth_info, transforms]


def _info(image: Array, focal: float, stamp: int, frame_id: str) -> Any:
    height, width = image.shape[:2]
    matrix = (focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0)
    return CameraInfo(header=_header(stamp, frame_id), height=height, width=width, K=matrix)


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
