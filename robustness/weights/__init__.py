"""Checkpoints and manifests that are corrupted, foreign or no files at all."""
