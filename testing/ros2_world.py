"""A ROS 2 world for live runs: nodes in processes of their own, and a peer that talks to one of them.

Needs rclpy (the extra ros2, or a sourced ROS 2 installation).
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from bridgenet_infer.arrays import Array
from bridgenet_infer.ros.messages import compressed_fields, image_fields, stamp_of
from testing import ROOT

NODE = [sys.executable, "-m", "bridgenet_infer.ros.ros2"]
LARGEST_DOMAIN = 101  # on Linux
PATIENCE = 120.0  # seconds for anything to happen on a busy machine
RGB_FRAME, DEPTH_FRAME = "camera_rgb", "camera_depth"


@contextmanager
def private_world() -> Iterator[dict[str, str]]:
    """ROS 2 that nobody else on the machine or in its net hears; gives the environment for programs that join it."""
    with _own_domain() as domain:
        os.environ |= {
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_DOMAIN_ID": str(domain),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        rclpy.init()
        try:
            yield dict(os.environ)
        finally:
            rclpy.try_shutdown()


@contextmanager
def _own_domain() -> Iterator[int]:
    """A domain that no other such world has: the first one whose file is not locked."""
    for domain in range(1, LARGEST_DOMAIN + 1):
        with Path(tempfile.gettempdir(), f"ros2_domain_{domain}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError("all domains are taken")


def ros_arguments(namespace: str = "", remappings: Sequence[str] = (), **parameters: object) -> list[str]:
    """Of a node's command."""
    words = [f"__ns:=/{namespace}"] if namespace else []
    pairs = [word for rule in [*words, *remappings] for word in ("-r", rule)]
    return ["--ros-args", *pairs, *(word for name, value in parameters.items() for word in ("-p", f"{name}:={value}"))]


class Peer:
    """Publishes what a node takes, keeps what it publishes.

    Parameters
    ----------
    namespace
        Of the topics that the peer publishes.
    node
        Full name of the node; by default /NAMESPACE/bridgenet.
    transports
        Of RGB and depth images.
    reliable
        Offer images reliably, else with best effort; results are always asked for reliably.
    depth
        Of all queues.

    Attributes
    ----------
    results, infos
        Stamp in nanoseconds -> message.
    arrivals
        (stamp in nanoseconds, when the result came, by `time.monotonic`), in order.
    diagnostics
        The latest status of the node, None if there was none.
    """

    def __init__(
        self,
        namespace: str = "",
        transports: tuple[str, str] = ("raw", "raw"),
        *,
        node: str = "",
        reliable: bool = True,
        depth: int = 100,
    ) -> None:
        self.transports = dict(zip(("rgb", "depth"), transports, strict=True))
        self.name = node or (f"/{namespace}/bridgenet" if namespace else "/bridgenet")
        self.results: dict[int, Any] = {}
        self.infos: dict[int, Any] = {}
        self.arrivals: list[tuple[int, float]] = []
        self.diagnostics: Any = None
        self.stamped: Any = None
        self.stamp = 100 * 10**9
        self.node = rclpy.create_node("peer", namespace=namespace)
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self._qos = QoSProfile(depth=depth, reliability=policy)
        self._images = {
            kind: self.node.create_publisher(Image, f"{kind}/image", self._qos) if transport == "raw"
            else self.node.create_publisher(CompressedImage, f"{kind}/image/{transport}", self._qos)
            for kind, transport in self.transports.items()
        }  # fmt: skip
        self._infos = {kind: self.node.create_publisher(CameraInfo, f"{kind}/camera_info", 10) for kind in self._images}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self._subscriptions: list[Any] = []
        self.subscribe()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def subscribe(self) -> None:
        """Take the results."""
        for kind, name, callback in ((Image, "image_raw", self._on_result), (CameraInfo, "camera_info", self._on_info)):
            topic = f"{self.name}/depth/{name}"
            self._subscriptions.append(self.node.create_subscription(kind, topic, callback, self._qos.depth))

    def unsubscribe(self) -> None:
        """Take results no more."""
        while self._subscriptions:
            self.node.destroy_subscription(self._subscriptions.pop())

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    def await_node(self, *, answers: bool = True) -> None:
        """Until it is there, hears images, and, where it should, is heard: either end may know of the other first."""
        self.await_report()

        def heard() -> bool:
            self.stamp += 10 * 10**9
            for kind, apart in (("rgb", 5 * 10**9), ("depth", 0)):  # no pair
                pixels = np.zeros((2, 2, 3) if kind == "rgb" else (2, 2), np.uint8)
                self._images[kind].publish(self._message(kind, pixels, header(self.stamp + apart, "")))
            self.await_report()
            return min(self.count("rgb received"), self.count("depth received")) > 0

        def answered() -> bool:
            self.send(*pair(0))
            self.await_report()
            return len(self.results) > 0

        self.wait(heard, "subscriptions of the node")
        self.stamp += 10 * 10**9
        if answers:
            self.wait(answered, "first result")

    def await_report(self) -> None:
        """Until the node tells its diagnostics again."""
        told = self.diagnostics
        self.wait(lambda: self.diagnostics is not told, "diagnostics of the node")

    def settle(self) -> int:
        """Wait until reports change no more; returns the depth messages that were received or lost until then."""
        counts = [-2, -1]
        while counts[-1] != counts[-2]:
            self.await_report()
            counts.append(self.count("depth received") + self.count("depth lost"))
        return counts[-1]

    def send(
        self, rgb: Any, depth: Any, *, lag: int = 0, frames: tuple[str, str] = (RGB_FRAME, RGB_FRAME), **changes: Any
    ) -> int:
        """Publish a pair a tenth of a second after the last one, depth `lag` nanoseconds later; returns its stamp.

        Parameters
        ----------
        changes
            Fields of the depth message that are to be other.
        """
        self.stamp += 10**8
        for kind, pixels, frame, late in (("rgb", rgb, frames[0], 0), ("depth", depth, frames[1], lag)):
            message = self._message(kind, pixels, header(self.stamp + late, frame))
            if kind == "depth":
                for name, value in changes.items():
                    setattr(message, name, value)
            self._images[kind].publish(message)
        return self.stamp + lag

    def send_info(self, kind: str, size: tuple[int, int], focal: float, frame: str) -> None:
        """Publish a CameraInfo for images of (H, W)."""
        height, width = size
        matrix = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
        info = CameraInfo(header=header(self.stamp, frame), height=height, width=width, k=matrix)
        self._infos[kind].publish(info)

    def await_result(self, stamp: int) -> Any:
        """The message with this stamp."""
        self.wait(lambda: stamp in self.results, f"the result of {stamp}")
        return self.results[stamp]

    def count(self, name: str) -> int:
        """One of the node's counts, as it last told them."""
        return int(self.values()[name])

    def values(self) -> dict[str, str]:
        """All that the node last told."""
        return {pair.key: pair.value for pair in self.diagnostics.values} if self.diagnostics else {}

    def wait(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Until a condition holds; AssertionError with the node's last words if it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what}; {getattr(self.diagnostics, 'message', '')} {self.values()}"
            time.sleep(0.01)

    def parameters(self) -> AsyncParameterClient:
        """A client for the node's parameters; its answers are awaited by `answer`."""
        client = AsyncParameterClient(self.node, self.name)
        assert client.wait_for_services(PATIENCE)
        return client

    def set_parameter(self, name: str, value: object) -> Any:
        """The node's answer: `successful` and `reason`."""
        return self.answer(self.parameters().set_parameters([Parameter(name, value=value)])).results[0]

    def answer(self, future: Any) -> Any:
        """What a service answers."""
        self.wait(future.done, "answer of a service")
        return future.result()

    def _message(self, kind: str, pixels: Any, stamped: Any) -> Any:
        if self.transports[kind] == "raw":
            fields = image_fields(pixels)
            return Image(**{**fields, "data": array("B", fields["data"]), "header": stamped})
        name = "png" if self.transports[kind] == "compressed" else self.transports[kind]
        fields = compressed_fields(pixels, "png" if pixels.dtype == np.uint8 else name)
        return CompressedImage(**{**fields, "data": array("B", fields["data"]), "header": stamped})

    def _on_result(self, message: Any) -> None:
        self.arrivals.append((stamp_of(message), time.monotonic()))
        self.results[stamp_of(message)] = message

    def _on_info(self, message: Any) -> None:
        self.infos[stamp_of(message)] = message

    def _on_diagnostics(self, message: Any) -> None:
        if message.status[0].name == f"{self.name[1:]}: depth up-sampling":
            self.stamped, self.diagnostics = message.header.stamp, message.status[0]


@contextmanager
def peer(*arguments: Any, **options: Any) -> Iterator[Peer]:
    """A `Peer` for the length of a block."""
    made = Peer(*arguments, **options)
    try:
        yield made
    finally:
        made.close()


def header(stamp: int, frame: str) -> Header:
    """With a stamp in nanoseconds."""
    made = Header(frame_id=frame)
    made.stamp.sec, made.stamp.nanosec = divmod(stamp, 10**9)
    return made


def pair(seed: int, dtype: type[np.generic] = np.uint16) -> tuple[Array, Array]:
    """RGB 160 x 120 and LR depth 40 x 30 with holes, in millimetres or metres."""
    rng = np.random.default_rng(seed)
    depth = rng.integers(500, 4000, (30, 40)).astype(np.uint16)
    depth[2:4, 3:6] = 0
    values = depth if dtype is np.uint16 else (depth / 1000).astype(dtype)
    return rng.integers(0, 256, (120, 160, 3), np.uint8), values
