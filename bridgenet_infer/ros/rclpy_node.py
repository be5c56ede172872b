"""The wiring of the ROS 2 node."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from socket import gethostname
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from .ending import Ending
from .matching import Kind
from .node import DepthNode, DepthOutput, PointsTopic
from .parameters import NodeParameters, Upsample, rules

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # no wheel brings it
    TFMessage = None

STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # as tf2's listeners ask for /tf_static
DIAGNOSTICS = QoSProfile(depth=10)
WORDS = {"best_effort": ReliabilityPolicy.BEST_EFFORT, "reliable": ReliabilityPolicy.RELIABLE}


def serve(ending: Ending, load: Callable[[NodeParameters], Upsample] | None) -> int:
    """Run the node; see `bridgenet_infer.ros.ros2.main`."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    ending.defer()
    try:
        ros = BridgeNetNode()
    except ValueError as error:
        rclpy.logging.get_logger("bridgenet").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    try:
        upsample = ending.await_result(partial(load or NodeParameters.load, ros.parameters))
        if upsample is not None:
            ros.start(upsample, ending.guard)
            with _spinning(ros, ending):
                ending.wait()
    except (ValueError, OSError) as error:
        ros.get_logger().fatal(str(error))
        return 1
    finally:
        ending.close(ros.close)
        ros.destroy_node()
        rclpy.try_shutdown()
    ending.end()
    return 0


class BridgeNetNode(Node):  # type: ignore[misc]
    """The node, for this program and for others that run it beside nodes of their own, in one executor.

    It subscribes to nothing before `start`.

    Parameters
    ----------
    options
        As for `rclpy.node.Node`.

    Attributes
    ----------
    parameters
        As they are now.

    Raises
    ------
    ValueError
        For a parameter that does not fit.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("bridgenet", **options)
        try:
            self.parameters = NodeParameters.read(self._declare, ros2=True)
        except ValueError:
            self.destroy_node()
            raise
        self._core: DepthNode | None = None
        self.add_on_set_parameters_callback(self._set_parameters)

    def start(
        self,
        upsample: Upsample,
        guard: Callable[[Callable[..., Any]], Callable[..., None]] = lambda callback: callback,
    ) -> None:
        """Subscribe and publish.

        Parameters
        ----------
        upsample
            As `NodeParameters.load` makes it.
        guard
            Wraps the callbacks of images, which raise what ended the up-sampling; by default the executor raises it.
        """
        # the last pair is kept by DepthNode, which counts what it drops: a depth of 1 here would drop RGB of one frame
        # and depth of another. Reliable publishers reach best-effort and reliable subscribers (REP 2003)
        depth = self.parameters.queue_size
        inputs = QoSProfile(depth=depth, reliability=WORDS[self.parameters.reliability])
        images, infos, clouds = (
            self.create_publisher(
                kind, topic, QoSProfile(depth=depth),  # of its own: overrides are written into it
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for kind, topic in (
                (Image, "~/depth/image_raw"), (CameraInfo, "~/depth/camera_info"), (PointCloud2, "~/depth/points")
            )
        )  # fmt: skip
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS)

        # data: anything but an array is checked by rclpy byte by byte
        def publish(output: DepthOutput) -> None:
            header = Header(stamp=output.stamp, frame_id=output.frame_id)
            images.publish(Image(**{**output.fields, "header": header, "data": array("B", output.fields["data"])}))
            if output.camera_info is not None:
                output.camera_info.header = header
                infos.publish(output.camera_info)

        def publish_points(fields: dict[str, Any], stamp: Any, frame_id: str) -> None:
            changes = {"fields": [PointField(**each) for each in fields["fields"]], "data": array("B", fields["data"])}
            clouds.publish(PointCloud2(**{**fields, **changes, "header": Header(stamp=stamp, frame_id=frame_id)}))

        topics: dict[Kind, str] = {
            "rgb": self.resolve_topic_name("rgb/image"), "depth": self.resolve_topic_name("depth/image")
        }  # fmt: skip
        alignment = self.parameters.alignment(topics, hears_transforms=TFMessage is not None)
        core = self._core = DepthNode(
            upsample, publish, self.get_logger().warning, parameters=self.parameters, alignment=alignment,
            wanted=lambda: images.get_subscription_count() > 0 or infos.get_subscription_count() > 0,
            points=PointsTopic(lambda: clouds.get_subscription_count() > 0, publish_points),
        )  # fmt: skip
        self.create_subscription(CameraInfo, "rgb/camera_info", partial(core.on_camera_info, "rgb"), inputs)
        self.create_subscription(CameraInfo, "depth/camera_info", partial(core.on_camera_info, "depth"), inputs)
        if TFMessage is not None:
            self.create_subscription(TFMessage, "/tf_static", core.on_static_transforms, STATIC)
        transports = {"rgb": self.parameters.rgb_transport, "depth": self.parameters.depth_transport}
        for kind, topic in topics.items():
            raw = transports[kind] == "raw"
            self.create_subscription(
                Image if raw else CompressedImage, topic if raw else f"{topic}/{transports[kind]}",
                guard(partial(core.on_image, kind)), inputs, event_callbacks=_lost_messages(kind, core),
            )  # fmt: skip
        # steady time: a stopped simulation must be told of, too
        self.create_timer(1.0, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """End the up-sampling; to be called before `destroy_node`."""
        if self._core is not None:
            self._core.close()

    def _declare(self, name: str, default: Any) -> Any:
        rule = rules()[name]
        descriptor = ParameterDescriptor(
            description=rule.description, additional_constraints=rule.allowed, read_only=rule.fixed,
            dynamic_typing=True,  # scale: "auto", 8 and 7.5; and the wrong type gets the same answer as a wrong value
        )  # fmt: skip
        if rule.span is not None and isinstance(default, int):
            low, high = rule.span
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
        elif rule.span is not None:
            descriptor.floating_point_range = [FloatingPointRange(from_value=rule.span[0], to_value=rule.span[1])]
        return self.declare_parameter(name, default, descriptor).value

    def _set_parameters(self, changes: Sequence[Any]) -> SetParametersResult:
        ours = {change.name: change.value for change in changes if change.name in rules()}
        try:
            self.parameters = self.parameters.changed(ours)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._core is not None:
            self._core.configure(self.parameters)
        return SetParametersResult(successful=True)

    def _check(self) -> None:
        if self._core is None:
            return
        self._core.check()
        report = self._core.report()
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if report.warns else DiagnosticStatus.OK,
            name=f"{self.get_fully_qualified_name()[1:]}: depth up-sampling",
            message=report.message,
            hardware_id=f"{gethostname()} {self.parameters.device}",
            values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
        )
        now = self.get_clock().now().to_msg()
        self._diagnostics.publish(DiagnosticArray(header=Header(stamp=now), status=[status]))


def _lost_messages(kind: Kind, core: DepthNode) -> SubscriptionEventCallbacks:
    """What the middleware says of messages that it lost."""
    return SubscriptionEventCallbacks(message_lost=lambda event: core.on_lost(kind, event.total_count_change))


@contextmanager
def _spinning(ros: Node, ending: Ending) -> Iterator[None]:
    """Run callbacks on another thread: Python handles signals on this one, and not while it waits inside of C."""
    executor = SingleThreadedExecutor()
    executor.add_node(ros)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            ending.wish()

    thread = threading.Thread(target=ending.guard(spin), name="executor")
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()
