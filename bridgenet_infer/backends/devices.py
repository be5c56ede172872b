"""Choose the device and the precision of the network, and move data there."""

from typing import Literal, get_args

import torch
from torch import Tensor

from bridgenet_infer.arrays import Array

Precision = Literal["auto", "fp16", "fp32"]


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The named device; for None or "auto" the first there is of cuda, mps and cpu.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch has one for each kind of absence
        reason = str(error).partition("\n")[0]
        if reason.startswith("Expected one of"):  # two dozen kinds, of which hardly one exists
            reason = "device must be auto, cpu, cuda, cuda:N or mps"
        raise ValueError(f"device {str(device)!r} cannot be used here: {reason}") from error
    return chosen


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The trunk's dtype: float16 or float32; "auto" is float16 on CUDA.

    Raises
    ------
    ValueError
        If it is none of "auto", "fp16", "fp32".
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
    half = precision == "fp16" or (precision == "auto" and device.type == "cuda")
    return torch.float16 if half else torch.float32


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whichever device."""
    # CUDA has a class of its own, MPS and the CPU allocator only their words
    words = ("out of memory", "can't allocate memory", "could not create a memory")
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(word in text for word in words)
    )


def upload(x: Array | Tensor, device: torch.device) -> Tensor:
    """To the device without waiting, by way of pinned memory; an array is copied."""
    # callers' arrays may be read-only, reversed or of another byte order
    host = x if isinstance(x, Tensor) else torch.from_numpy(x.astype(x.dtype.newbyteorder("=")))
    if device.type == "cuda" and host.device.type == "cpu":
        host = host.pin_memory()
    return host.to(device, non_blocking=True)
