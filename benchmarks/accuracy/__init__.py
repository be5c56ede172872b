"""How near results are to ground truth."""
