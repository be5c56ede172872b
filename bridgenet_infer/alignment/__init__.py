"""Check whether LR depth lies on its RGB image."""

from .check import ENOUGH, AlignmentCheck, check_alignment, summarise_warnings
from .picture import draw_depth_edges

__all__ = ["ENOUGH", "AlignmentCheck", "check_alignment", "draw_depth_edges", "summarise_warnings"]
