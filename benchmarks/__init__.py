"""Benchmarks of the package: accuracy, runtime, robots, ablations, and the tables that the documents show."""
