"""What measures the package: Middlebury 2005 (`benchmarks.quality`) and raw sensor frames (`benchmarks.sensor`)."""
