"""ROS 1 node: `python -m bridgenet_infer.ros.ros1 [_weights:=sensor ...] [rgb/image:=...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from .ending import Ending

if TYPE_CHECKING:
    from .parameters import NodeParameters, Upsample


def main(load: Callable[[NodeParameters], Upsample] | None = None) -> int:
    """Run the node until it is told to end; parameters, exit code and exceptions are those of `ros2.main`."""
    ending = Ending()  # before anything that takes long to import
    from .rospy_node import serve

    return serve(ending, load)


if __name__ == "__main__":
    sys.exit(main())
