"""The ROS 1 and ROS 2 nodes, and their messages, matching and alignment, which need no ROS installation."""
