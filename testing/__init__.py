"""What tests, benchmarks and campaigns share: a tiny graph, a stand-in for the Hub, processes, a ROS 1 world."""
