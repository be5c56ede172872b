"""A ROS 1 world for live runs: a master of one's own, programs in it, and a peer for the node.

Needs rosmaster and rospy (Debian: python3-rosmaster, python3-rospy, python3-sensor-msgs,
python3-diagnostic-msgs, python3-tf2-msgs).
"""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bridgenet_infer.arrays import Array as Array
from testing import ROOT

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Frame:
    """One frame that the peer sends; stamps in nanoseconds."""

    rgb: Array
    depth: Array
    rgb_stamp: int
    depth_stamp: int


@dataclass(frozen=True)
class Request:
    """Frames for the peer to send, and the end that it waits for.

    Attributes
    ----------
    rate
        Frames per second.
    pairs
        That the node should make of them: the peer waits until all are accounted for. 0: until the node complains of
        all frames.
    patience
        Seconds after the last frame; then the peer returns with what there is.
    focal
        Of the RGB camera, pixels.
    depth_focal, place
        If the node is to register depth: focal length of the depth camera, and x, y, z of that camera in the RGB
        camera's frame, in metres; it is not turned.
    points
        Take point clouds, too.
    """

    frames: Sequence[Frame]
    rate: float
    pairs: int
    patience: float = 60.0
    focal: float = 525.0
    depth_focal: float | None = None
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    points: bool = False


@dataclass
class Exchange:
    """The messages of a run; seconds of `time.monotonic`, which all processes of a machine share.

    Attributes
    ----------
    sent
        Depth stamp -> when its frame was about to be published.
    depths
        (depth, stamp, frame_id, when received).
    infos
        (stamp, frame_id, width, K).
    clouds
        Stamp -> points and colours, as `testing.clouds.read_cloud` reads them.
    diagnostics
        (level, message, values) of the latest; level -1 if there was none.
    """

    sent: dict[int, float] = field(default_factory=dict)
    depths: list[tuple[Array, int, str, float]] = field(default_factory=list)
    infos: list[tuple[int, str, int, tuple[float, ...]]] = field(default_factory=list)
    clouds: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    diagnostics: tuple[int, str, dict[str, str]] = (-1, "", {})

    def count(self, name: str) -> int:
        """One of the node's counts."""
        return int(self.diagnostics[2][name])


@contextmanager
def running_master(folder: Path) -> Iterator[dict[str, str]]:
    """Run a ROS master of one's own; yields the environment for all that should use it.

    Raises
    ------
    FileNotFoundError
        If there is no rosmaster.
    """
    program = shutil.which("rosmaster")
    if program is None:
        raise FileNotFoundError("rosmaster is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **ros_environment(folder),
        "ROS_MASTER_URI": f"http://127.0.0.1:{port}",
        "ROS_IP": "127.0.0.1",
        "ROS_LOG_DIR": str(folder / "log"),
    }
    with running([program, "--core", "-p", str(port)], environment) as process:
        _wait_for_master(environment["ROS_MASTER_URI"], process)
        yield environment


def ros_environment(folder: Path) -> dict[str, str]:
    """An environment in which this interpreter also finds the ROS modules that Debian installs for its own."""
    # behind everything else: Debian's NumPy must not hide the one that torch was built for
    (folder / "sitecustomize.py").write_text(f"import sys; sys.path.append({DEBIAN_PACKAGES!r})\n")
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: IO[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the block ends; its output goes to `log`, by default to stderr."""
    process = subprocess.Popen(command, env=environment, stdout=log or sys.stderr, stderr=log or sys.stderr, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)  # in the background rosmaster ignores SIGINT
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_peer(request: Request, folder: Path, environment: Mapping[str, str]) -> Exchange:
    """Let a peer of its own process send the frames to the node /bridgenet.

    Raises
    ------
    subprocess.CalledProcessError
        If it found no node.
    """
    question, answer = folder / "request.pickle", folder / "exchange.pickle"
    question.write_bytes(pickle.dumps(request))
    command = [sys.executable, "-m", "testing.ros_peer", str(question), str(answer)]
    subprocess.run(command, env=environment, check=True)
    exchange: Exchange = pickle.loads(answer.read_bytes())
    return exchange


def _wait_for_master(uri: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            xmlrpc.client.ServerProxy(uri).getPid("/benchmark")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
