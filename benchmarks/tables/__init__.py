"""Every figure of the documents from one command, `python -m benchmarks.tables`: what was measured is written down in
benchmarks/results, and the documents are filled from there."""
