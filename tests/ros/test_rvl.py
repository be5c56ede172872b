"""RVL: what image_transport writes comes back, and what lies is refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgenet_infer.ros.rvl import decode_rvl
from testing.rvl import encode_rvl


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_depth_comes_back(seed: int, h: int, w: int, holes: float) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 65_536, (h, w)).astype(np.uint16)
    depth[rng.random((h, w)) < holes] = 0
    assert np.array_equal(decode_rvl(encode_rvl(depth)), depth)


def test_the_words_of_the_paper() -> None:
    """Two zeros, two pixels of 5 and 4: numbers 2, 2, 10 (two nibbles) and 1, in the highest bits first."""
    word = int("22" + "A1" + "1" + "000", 16)
    assert decode_rvl(struct.pack("<iiI", 4, 1, word)).tolist() == [[0, 0, 5, 4]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8),
        struct.pack("<ii", -4, -4),
        struct.pack("<ii", 2**20, 2**20) + bytes(8),
        struct.pack("<iiI", 4, 4, 0x22A11000),
        struct.pack("<iiI", 1, 1, 0x22A11000),
        struct.pack("<ii", 4, 4) + b"\xff" * 64,
        struct.pack("<ii", 4, 4) + bytes(64),
        struct.pack("<iiI", 1, 1, 0x01100000),
    ],
    ids=range(9),
)
def test_streams_that_lie_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes of RVL"):
        decode_rvl(data)
