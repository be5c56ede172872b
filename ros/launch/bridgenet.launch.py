"""ROS 2: `ros2 launch bridgenet_infer bridgenet.launch.py rgb:=/camera/color/image_raw ...`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

TOPICS = {
    "rgb": "rgb/image",
    "depth": "depth/image",
    "camera_info": "rgb/camera_info",
    "depth_camera_info": "depth/camera_info",
}
PARAMETERS = {
    "weights": "sensor",
    "device": "auto",
    "precision": "auto",
    "scale": "auto",
    "invalid": "none",
    "fill_holes": "false",
    "temporal": "false",
    "smoothing": "0.2",
    "threshold": "5.0",
    "persistence": "2",
    "output_encoding": "auto",
    "registered": "false",
    "extrinsics": "",
    "slop": "0.02",
    "lazy": "true",
    "warmup_size": "640x480",
    "rgb_transport": "raw",
    "depth_transport": "raw",
    "reliability": "best_effort",
    "queue_size": "10",
}


def generate_launch_description() -> LaunchDescription:
    """One node; topics and parameters are launch arguments."""
    arguments = [DeclareLaunchArgument(name, default_value=value) for name, value in {**TOPICS, **PARAMETERS}.items()]
    node = Node(
        package="bridgenet_infer",
        executable="bridgenet_node",
        name="bridgenet",
        output="screen",
        remappings=[(topic, LaunchConfiguration(name)) for name, topic in TOPICS.items()],
        parameters=[{name: LaunchConfiguration(name) for name in PARAMETERS}],
    )
    return LaunchDescription([*arguments, node])
