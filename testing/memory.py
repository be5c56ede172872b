"""Measure the memory of a process; Linux only (/proc)."""

from pathlib import Path
from typing import Literal


def memory_bytes(kind: Literal["VmRSS", "VmHWM"] = "VmRSS", process: int | None = None) -> int:
    """Resident size now, or at its largest, of this process or another; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process or 'self'}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")), 0)


def resident_mb(process: int | None = None) -> float:
    """Resident size of this process or another in megabytes."""
    return memory_bytes("VmRSS", process) / 1e6
