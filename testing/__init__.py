"""What tests, benchmarks and campaigns share: a tiny graph, a stand-in for the Hub, processes, a ROS 1 world."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of the source tree
