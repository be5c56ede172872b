"""ROS 2 node, run with Kilted: `bridgenet-ros2 --ros-args [-p weights:=sensor ...] [-r rgb/image:=...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from .ending import Ending

if TYPE_CHECKING:
    from .parameters import NodeParameters, Upsample


def main(load: Callable[[NodeParameters], Upsample] | None = None) -> int:
    """Run the node until it is told to end.

    Parameters
    ----------
    load
        Makes the function (rgb, LR depth) -> depth from the node's parameters; by default `NodeParameters.load`.

    Returns
    -------
    The exit code: 0 after a signal, 1 for parameters or weights that do not fit.

    Raises
    ------
    Exception
        What ended the up-sampling.
    """
    ending = Ending()  # before anything that takes long to import
    from .rclpy_node import serve

    return serve(ending, load)


if __name__ == "__main__":
    sys.exit(main())
