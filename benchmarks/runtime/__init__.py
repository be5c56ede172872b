"""Benchmarks of time, memory and multiply-adds."""
