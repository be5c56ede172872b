"""RVL, the lossless compression of depth by run lengths and variable lengths (Wilson, 2017), as image_transport has it.

The stream is a run of zeros, a run of measured pixels, and so on. Of a run of zeros there is its length, of measured
pixels their count and the difference of each to the measured pixel before it. A number is a row of nibbles of three
bits, the lowest bits first, whose fourth bit says that more follow. Eight nibbles make a little-endian word, the first
in its highest bits.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

LARGEST = 2**24  # pixels: a few bytes may claim to be any number of zeros
NIBBLES = 11  # of a number, at most
SIZE = struct.Struct("<ii")


def decode_rvl(data: bytes) -> npt.NDArray[np.uint16]:
    """(h, w) uint16, 0 is a hole, from the width, the height and the RVL stream behind them.

    Raises
    ------
    ValueError
        If the stream does not fill the image, or holds what no depth can be.
    """
    if len(data) < SIZE.size:
        raise ValueError(f"{len(data)} bytes of RVL, its size alone takes {SIZE.size}")
    width, height = SIZE.unpack_from(data)
    if not (width > 0 and height > 0 and width * height <= LARGEST):
        raise ValueError(f"{len(data)} bytes of RVL claim {width} x {height} pixels, at most {LARGEST} are read")
    numbers = _numbers(data[SIZE.size :])
    steps, measured = np.zeros(width * height, np.int64), np.zeros(width * height, bool)
    at = place = 0
    while at < len(steps):
        zeros, count = map(int, numbers[place : place + 2]) if place + 2 <= len(numbers) else (0, 0)
        at, place = at + zeros, place + 2
        if zeros + count == 0 or at + count > len(steps) or place + count > len(numbers):
            raise ValueError(f"{len(data)} bytes of RVL do not make {width} x {height} pixels")
        codes = numbers[place : place + count]
        steps[at : at + count] = (codes >> 1) ^ -(codes & 1)
        measured[at : at + count] = True
        at, place = at + count, place + count
    depth = np.where(measured, np.cumsum(steps), 0)
    if (depth[measured] < 1).any() or (depth > np.iinfo(np.uint16).max).any():
        raise ValueError(f"{len(data)} bytes of RVL hold values beyond 1 to 65535")
    return depth.astype(np.uint16).reshape(height, width)


def _numbers(stream: bytes) -> npt.NDArray[np.int64]:
    """The numbers of a stream; what fills up its last word may count as some zeros."""
    words = np.frombuffer(stream[: len(stream) // 4 * 4], "<u4")
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).ravel().astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    nibbles = nibbles[: ends[-1] + 1] if len(ends) else nibbles[:0]
    starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: len(ends)]
    if len(ends) and (ends - starts).max() >= NIBBLES:
        raise ValueError(f"{len(stream)} bytes of RVL hold a number of more than {NIBBLES} nibbles")
    order = np.arange(len(nibbles)) - np.repeat(starts, ends - starts + 1)
    numbers: npt.NDArray[np.int64] = np.add.reduceat((nibbles & 7) << (3 * order), starts) if len(ends) else nibbles
    return numbers
