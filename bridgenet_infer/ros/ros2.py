"""ROS 2 node (Humble and later): `python -m bridgenet_infer.ros.ros2 --ros-args [-p weights:=default ...]`."""

from __future__ import annotations

from array import array
from functools import partial

import message_filters
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from .node import PARTNERS, DepthNode, DepthOutput
from .parameters import NodeParameters

# the last pair is kept by DepthNode: a depth of 1 here would drop RGB of one frame and depth of another
SENSOR_DATA = QoSProfile(depth=PARTNERS, reliability=ReliabilityPolicy.BEST_EFFORT)
STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # as tf2's listeners ask for /tf_static
RELIABLE = QoSProfile(depth=PARTNERS)  # reaches best-effort and reliable subscribers (REP 2003)


def main() -> None:
    """Run the node until it is shut down.

    Raises
    ------
    ValueError, OSError
        For parameters or weights that do not fit.
    Exception
        What ended the up-sampling.
    """
    rclpy.init()
    ros = rclpy.create_node("bridgenet")
    any_type = ParameterDescriptor(dynamic_typing=True)  # scale: "auto", 8 and 7.5
    parameters = NodeParameters.read(lambda name, default: ros.declare_parameter(name, default, any_type).value)
    image_publisher = ros.create_publisher(Image, "~/depth/image_raw", RELIABLE)
    info_publisher = ros.create_publisher(CameraInfo, "~/depth/camera_info", RELIABLE)
    diagnostics_publisher = ros.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def publish(output: DepthOutput) -> None:
        header = Header(stamp=output.stamp, frame_id=output.frame_id)
        # anything but an array is checked by rclpy byte by byte
        data = array("B", output.fields["data"])
        image_publisher.publish(Image(**{**output.fields, "header": header, "data": data}))
        if output.camera_info is not None:
            output.camera_info.header = header
            info_publisher.publish(output.camera_info)

    alignment = parameters.alignment(ros.resolve_topic_name("rgb/image"), ros.resolve_topic_name("depth/image"))
    warn = ros.get_logger().warning
    node = DepthNode(parameters.load(), publish, warn, alignment=alignment, encoding=parameters.encoding)

    rgb = message_filters.Subscriber(ros, Image, "rgb/image", qos_profile=SENSOR_DATA)
    depth = message_filters.Subscriber(ros, Image, "depth/image", qos_profile=SENSOR_DATA)
    ros.create_subscription(CameraInfo, "rgb/camera_info", partial(node.on_camera_info, "rgb"), SENSOR_DATA)
    ros.create_subscription(CameraInfo, "depth/camera_info", partial(node.on_camera_info, "depth"), SENSOR_DATA)
    ros.create_subscription(TFMessage, "/tf_static", node.on_static_transforms, STATIC)
    rgb.registerCallback(lambda message: node.on_message("rgb"))
    depth.registerCallback(lambda message: node.on_message("depth"))
    pairs = message_filters.ApproximateTimeSynchronizer([rgb, depth], PARTNERS, parameters.slop)
    pairs.registerCallback(node.on_pair)

    def check() -> None:
        node.check()
        complaint = node.complaint()
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if complaint else DiagnosticStatus.OK,
            name=f"{ros.get_name()}: depth up-sampling",
            message=complaint or "running",
            values=[KeyValue(key=key, value=value) for key, value in node.diagnostics().items()],
        )
        now = ros.get_clock().now().to_msg()
        diagnostics_publisher.publish(DiagnosticArray(header=Header(stamp=now), status=[status]))

    # steady time: a stopped simulation must be told of, too
    ros.create_timer(1.0, check, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        rclpy.spin(ros)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        ros.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
