"""Time, memory and multiply-adds."""
