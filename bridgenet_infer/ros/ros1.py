"""ROS 1 node: `python -m bridgenet_infer.ros.ros1 [_weights:=default ...] [rgb/image:=/camera/rgb/image ...]`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import message_filters
import rospy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from .node import PARTNERS, DepthNode, DepthOutput
from .parameters import NodeParameters, Upsample

# The last pair is kept by DepthNode, which counts what it drops: queues of 1 here would drop RGB of one frame and depth
# of another. With rospy's own buffer of 64 kB, frames would pile up in the socket instead of giving way to newer ones.
INPUT = {"queue_size": PARTNERS, "buff_size": 2**24, "tcp_nodelay": True}


def main(load: Callable[[NodeParameters], Upsample] = NodeParameters.load) -> None:
    """Run the node until it is shut down.

    Parameters
    ----------
    load
        Makes the function (rgb, LR depth) -> depth from the node's parameters.

    Raises
    ------
    ValueError, OSError
        For parameters or weights that do not fit.
    Exception
        What ended the up-sampling.
    """
    rospy.init_node("bridgenet")
    parameters = NodeParameters.read(lambda name, default: rospy.get_param(f"~{name}", default))
    stop, errors = threading.Event(), list[Exception]()
    rospy.on_shutdown(stop.set)
    # two results can come before the sending thread of a busy machine wakes: 1 would lose an image or its camera_info
    image_publisher = rospy.Publisher("~depth/image_raw", Image, queue_size=PARTNERS)
    info_publisher = rospy.Publisher("~depth/camera_info", CameraInfo, queue_size=PARTNERS)
    diagnostics_publisher = rospy.Publisher("/diagnostics", DiagnosticArray, queue_size=1)

    def publish(output: DepthOutput) -> None:
        header = Header(stamp=output.stamp, frame_id=output.frame_id)
        image_publisher.publish(Image(header=header, **output.fields))
        if output.camera_info is not None:
            output.camera_info.header = header
            info_publisher.publish(output.camera_info)

    alignment = parameters.alignment(rospy.resolve_name("rgb/image"), rospy.resolve_name("depth/image"))
    node = DepthNode(load(parameters), publish, rospy.logwarn, alignment=alignment, encoding=parameters.encoding)

    def on_pair(rgb: Any, depth: Any) -> None:
        # an exception that leaves the callback would be logged and leave the synchroniser locked
        try:
            node.on_pair(rgb, depth)
        except Exception as error:
            if not stop.is_set():
                errors.append(error)
                stop.set()

    rgb = message_filters.Subscriber("rgb/image", Image, **INPUT)
    depth = message_filters.Subscriber("depth/image", Image, **INPUT)
    others = [
        rospy.Subscriber("rgb/camera_info", CameraInfo, partial(node.on_camera_info, "rgb"), **INPUT),
        rospy.Subscriber("depth/camera_info", CameraInfo, partial(node.on_camera_info, "depth"), **INPUT),
        rospy.Subscriber("/tf_static", TFMessage, node.on_static_transforms),
    ]
    rgb.registerCallback(lambda message: node.on_message("rgb"))
    depth.registerCallback(lambda message: node.on_message("depth"))
    message_filters.ApproximateTimeSynchronizer([rgb, depth], PARTNERS, parameters.slop).registerCallback(on_pair)

    while not stop.wait(1.0):  # wall time: a stopped simulation must be told of, too
        node.check()
        diagnostics_publisher.publish(_diagnostics(node))
    for subscriber in (rgb, depth, *others):
        subscriber.unregister()
    node.close()
    if errors:
        raise errors[0]


def _diagnostics(node: DepthNode) -> DiagnosticArray:
    complaint = node.complaint()
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if complaint else DiagnosticStatus.OK,
        name=f"{rospy.get_name()[1:]}: depth up-sampling",
        message=complaint or "running",
        values=[KeyValue(key=key, value=value) for key, value in node.diagnostics().items()],
    )
    return DiagnosticArray(header=Header(stamp=rospy.Time.now()), status=[status])


if __name__ == "__main__":
    main()
