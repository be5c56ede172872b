"""Frames, nodes and recordings as robots have them."""
