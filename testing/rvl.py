"""RVL as compressed_depth_image_transport writes it, for tests and campaigns."""

import struct
from itertools import groupby
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array
from bridgenet_infer.ros.messages import DEPTH_HEADER


def encode_rvl(depth: Array) -> bytes:
    """Width, height and the stream of (h, w) uint16."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            nibbles.append(number & 7 | (8 if number > 7 else 0))
            number >>= 3
            if not number:
                return

    last, runs = 0, [(bool(key), list(run)) for key, run in groupby(depth.ravel().tolist(), bool)]
    if runs[0][0]:
        put(0)
    for measured, run in runs:
        put(len(run))
        for value in run if measured else []:
            step, last = value - last, value
            put(2 * step if step >= 0 else -2 * step - 1)
    if not runs[-1][0]:
        put(0)
    nibbles += [0] * (-len(nibbles) % 8)
    words: Array = np.array(nibbles, np.uint32).reshape(-1, 8) << np.arange(28, -1, -4, dtype=np.uint32)
    stream: bytes = np.bitwise_or.reduce(words, 1).astype("<u4").tobytes()
    return struct.pack("<ii", depth.shape[1], depth.shape[0]) + stream


def rvl_fields(depth: Array) -> dict[str, Any]:
    """Fields of a CompressedImage message, all but the header, of (h, w) uint16."""
    return {"format": "16UC1; compressedDepth rvl", "data": DEPTH_HEADER.pack(0, 0.0, 0.0) + encode_rvl(depth)}
