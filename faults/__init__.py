"""Fault campaigns: generated calls, damaged files, kills, full disks, load; each module is a command."""
