"""Pretrained weights: find them, check them against the manifest, and build the graph."""

from .checkpoint import checkpoint_bytes, compiled_bytes, load_checkpoint
from .load import Checkpoint, available_weights, load_weights
from .manifest import CHECKPOINT_FOLDER, DEFAULT_WEIGHTS, ManifestEntry, manifest_path, read_manifest

__all__ = [
    "CHECKPOINT_FOLDER",
    "DEFAULT_WEIGHTS",
    "Checkpoint",
    "ManifestEntry",
    "available_weights",
    "checkpoint_bytes",
    "compiled_bytes",
    "load_checkpoint",
    "load_weights",
    "manifest_path",
    "read_manifest",
]
