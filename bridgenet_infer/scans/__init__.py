"""Scans of phones: RGB with LR depth, confidence and cameras, in the layouts of the apps that record them."""

from .detect import open_scan
from .frames import Frame, LeftOut, Scan

__all__ = ["Frame", "LeftOut", "Scan", "open_scan"]
