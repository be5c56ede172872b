"""What measures the package: accuracy, runtime, robots, ablations, and the tables of the documents."""
