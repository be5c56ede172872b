"""Long-running commands that are killed, or meet full disks, and many threads on one up-sampler."""
