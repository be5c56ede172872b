"""Campaigns that kill long-running commands, fill their disks, or run many threads on one up-sampler."""
