"""Guided depth super-resolution: an RGB image and its low-resolution depth in, sharp metric depth out.

>>> from bridgenet_infer import upsample_depth
>>> depth = upsample_depth(rgb, lr_depth, scale=8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alignment import AlignmentCheck, check_alignment
    from .pipeline.restore import UpsampledDepth
    from .read import read_depth, read_rgb
    from .upsampler import DepthUpsampler, upsample_depth
    from .weights import available_weights
    from .write import write_depth, write_preview

__version__ = "0.1.0"
__all__ = [
    "AlignmentCheck",
    "DepthUpsampler",
    "UpsampledDepth",
    "__version__",
    "available_weights",
    "check_alignment",
    "read_depth",
    "read_rgb",
    "upsample_depth",
    "write_depth",
    "write_preview",
]

HOMES = {
    "AlignmentCheck": "alignment",
    "DepthUpsampler": "upsampler",
    "UpsampledDepth": "pipeline.restore",
    "available_weights": "weights",
    "check_alignment": "alignment",
    "read_depth": "read",
    "read_rgb": "read",
    "upsample_depth": "upsampler",
    "write_depth": "write",
    "write_preview": "write",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: only when something is used
    if name in HOMES:
        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
