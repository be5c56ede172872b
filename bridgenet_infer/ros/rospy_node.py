"""The wiring of the ROS 1 node."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from socket import gethostname
from typing import Any

import rospy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from .ending import Ending
from .matching import Kind
from .node import DepthNode, DepthOutput, PointsTopic
from .parameters import NodeParameters, Upsample


def serve(ending: Ending, load: Callable[[NodeParameters], Upsample] | None) -> int:
    """Run the node; see `bridgenet_infer.ros.ros1.main`."""
    rospy.init_node("bridgenet", disable_signals=True)
    rospy.on_shutdown(ending.wish)  # rosnode kill
    ending.defer()
    try:
        parameters = NodeParameters.read(lambda name, default: rospy.get_param(f"~{name}", default), ros2=False)
        upsample = ending.await_result(partial(load or NodeParameters.load, parameters))
    except (ValueError, OSError) as error:
        rospy.logfatal(str(error))
        rospy.signal_shutdown(str(error))
        return 1
    if upsample is not None:
        _run(ending, parameters, upsample)
    rospy.signal_shutdown("asked to end")
    ending.end()
    return 0


def _run(ending: Ending, parameters: NodeParameters, upsample: Upsample) -> None:
    # the last pair is kept by DepthNode, which counts what it drops: queues of 1 here would drop RGB of one frame and
    # depth of another, or an image and not its camera_info
    queue = {"queue_size": parameters.queue_size}
    image_publisher = rospy.Publisher("~depth/image_raw", Image, **queue)
    info_publisher = rospy.Publisher("~depth/camera_info", CameraInfo, **queue)
    points_publisher = rospy.Publisher("~depth/points", PointCloud2, **queue)
    diagnostics_publisher = rospy.Publisher("/diagnostics", DiagnosticArray, queue_size=1)

    def publish(output: DepthOutput) -> None:
        header = Header(stamp=output.stamp, frame_id=output.frame_id)
        image_publisher.publish(Image(header=header, **output.fields))
        if output.camera_info is not None:
            output.camera_info.header = header
            info_publisher.publish(output.camera_info)

    def publish_points(fields: dict[str, Any], stamp: Any, frame_id: str) -> None:
        changes = {"fields": [PointField(**each) for each in fields["fields"]]}
        points_publisher.publish(PointCloud2(header=Header(stamp=stamp, frame_id=frame_id), **{**fields, **changes}))

    topics: dict[Kind, str] = {"rgb": rospy.resolve_name("rgb/image"), "depth": rospy.resolve_name("depth/image")}
    transports = {"rgb": parameters.rgb_transport, "depth": parameters.depth_transport}
    node = DepthNode(
        upsample, publish, rospy.logwarn, parameters=parameters, alignment=parameters.alignment(topics),
        wanted=lambda: image_publisher.get_num_connections() > 0 or info_publisher.get_num_connections() > 0,
        points=PointsTopic(lambda: points_publisher.get_num_connections() > 0, publish_points),
    )  # fmt: skip
    # with rospy's own buffer of 64 kB, frames would pile up in the socket instead of giving way to newer ones
    options = {**queue, "buff_size": 2**24, "tcp_nodelay": True}
    subscribers = [
        rospy.Subscriber("rgb/camera_info", CameraInfo, partial(node.on_camera_info, "rgb"), **options),
        rospy.Subscriber("depth/camera_info", CameraInfo, partial(node.on_camera_info, "depth"), **options),
        rospy.Subscriber("/tf_static", TFMessage, node.on_static_transforms),
    ]
    for kind, topic in topics.items():
        raw = transports[kind] == "raw"
        name, message = (topic, Image) if raw else (f"{topic}/{transports[kind]}", CompressedImage)
        subscribers.append(rospy.Subscriber(name, message, ending.guard(_Gaps(kind, node)), **options))
    hardware = f"{gethostname()} {parameters.device}"
    while not ending.wait(1.0):  # wall time: a stopped simulation must be told of, too
        node.check()
        diagnostics_publisher.publish(_diagnostics(node, hardware))
    for subscriber in subscribers:
        subscriber.unregister()
    ending.close(node.close)


class _Gaps:
    """Hands images on, and counts those that are missing between them: each publisher numbers its messages."""

    def __init__(self, kind: Kind, node: DepthNode) -> None:
        self._kind, self._node = kind, node
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}

    def __call__(self, message: Any) -> None:
        publisher, number = message._connection_header["callerid"], message.header.seq
        with self._lock:
            gap = number - self._last.get(publisher, number - 1) - 1
            self._last[publisher] = number
        if gap > 0:
            self._node.on_lost(self._kind, gap)
        self._node.on_image(self._kind, message)


def _diagnostics(node: DepthNode, hardware: str) -> DiagnosticArray:
    report = node.report()
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if report.warns else DiagnosticStatus.OK,
        name=f"{rospy.get_name()[1:]}: depth up-sampling",
        message=report.message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
    )
    return DiagnosticArray(header=Header(stamp=rospy.Time.now()), status=[status])
