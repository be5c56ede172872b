"""Helpers that tests, benchmarks and campaigns share: a tiny graph, a stand-in for the Hub, processes, and ROS 1."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of the source tree
