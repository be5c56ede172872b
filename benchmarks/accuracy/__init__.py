"""Benchmarks of accuracy: errors of results against ground truth."""
