"""Guided depth super-resolution: an RGB image and its low-resolution depth in, sharp metric depth out.

>>> from bridgenet_infer import upsample_depth
>>> depth = upsample_depth(rgb, lr_depth, scale=8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .upsampler import DepthUpsampler, UpsampledDepth, upsample_depth

__version__ = "0.1.0"
__all__ = ["DepthUpsampler", "UpsampledDepth", "__version__", "upsample_depth"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: only when something is used
    if name in __all__:
        return getattr(import_module(".upsampler", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
