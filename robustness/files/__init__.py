"""Corruption of files: damaged and lying inputs of every format."""
