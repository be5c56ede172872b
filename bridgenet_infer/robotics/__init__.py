"""Up-sampling inside a running robot; each module is usable alone, and nothing of it is imported by the core."""
