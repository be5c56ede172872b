"""The ROS 2 node: ends by signal, and a camera that stops, starts again and goes back in time."""
