"""Robustness campaigns: fuzzing, corruption, kills, full disks, load, mutation: `python -m robustness NAME`."""
