"""The command bridgenet-upsample."""

from .command import main

__all__ = ["main"]
