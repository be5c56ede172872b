"""Fuzzing of the public functions: generated calls, good and bad."""
