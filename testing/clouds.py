"""Read organised point clouds back by the layout that their messages tell."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array


def read_cloud(message: Any) -> tuple[Array, Array]:
    """Points (H, W, 3) and their colours (H, W, 3) of a sensor_msgs/PointCloud2 with x, y, z and rgb."""
    assert all((each.datatype, each.count) == (7, 1) for each in message.fields)  # float32
    order = ">" if message.is_bigendian else "<"
    layout = np.dtype({
        "names": [each.name for each in message.fields],
        "formats": [f"{order}{'u4' if each.name == 'rgb' else 'f4'}" for each in message.fields],
        "offsets": [each.offset for each in message.fields],
        "itemsize": message.point_step,
    })  # fmt: skip
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)
    points = np.ascontiguousarray(rows[:, : message.width * message.point_step]).view(layout)
    colours = np.stack([points["rgb"] >> shift & 255 for shift in (16, 8, 0)], -1)
    return np.stack([points[axis] for axis in "xyz"], -1), colours


def plain_cloud(fields: dict[str, Any]) -> Any:
    """A message without ROS, of the fields that a node publishes."""
    return SimpleNamespace(**{**fields, "fields": [SimpleNamespace(**each) for each in fields["fields"]]})
