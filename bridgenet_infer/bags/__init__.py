"""Recordings of ROS 1, of ROS 2 and in TUM's layout, up-sampled from file to file."""
