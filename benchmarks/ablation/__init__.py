"""Variants of graph and training under one budget."""
