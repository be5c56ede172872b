"""Rendered scenes, simulated sensors and recordings: RGB-D data of exactly known depth."""
