"""Damage the bytes of any file, as broken transfers, disks and servers do."""

import json
from collections.abc import Callable
from typing import Any

from robustness.draw import Generator, pick

Damage = Callable[[bytes, Generator], bytes]

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 73214\n"
PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>nginx</body></html>"
MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"BM", b"PK\x03\x04", b"\x93NUMPY\x01\0",
          b"Pf\n", b"GIF89a", b"%!PS-Adobe-3.0 EPSF", b"RIFF\0\0\0\0WEBP", b"#ROSBAG V2.0\n", b"SQLite format 3\0",
          b"\x89MCAP0\r\n", b"\x80\x04\x95", b"\x1f\x8b\x08", b"v/1\x01", b"")  # fmt: skip
SIZES = (0, 1, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**60, 2**63, 2**64 - 1)
JUNK: tuple[Any, ...] = (None, True, False, -1, 0, 1, 3.5, 1e300, float("nan"), float("inf"), 10**9, 10**30, "", "x",
                         "\0", "../../x.safetensors", [], {}, [1], [[]], {"a": 1}, [2, 1], "9" * 5000)  # fmt: skip


def cut(payload: bytes, rng: Generator) -> bytes:
    """The transfer broke off."""
    return payload[: rng.integers(1, max(int(len(payload) * 0.9), 2))]


def header_overwritten(payload: bytes, rng: Generator) -> bytes:
    """Noise instead of the first bytes."""
    return rng.bytes(16) + payload[16:]


def block_lost(payload: bytes, rng: Generator) -> bytes:
    """The first eighth is missing, as after a resumed transfer that went wrong."""
    return payload[len(payload) // 8 :]


def zeros_of_the_same_size(payload: bytes, rng: Generator) -> bytes:
    """Zeros as a full disk or a lost page cache leaves them."""
    return bytes(len(payload))


def noise(payload: bytes, rng: Generator) -> bytes:
    """Nothing of it is left."""
    return rng.bytes(len(payload))


def empty(payload: bytes, rng: Generator) -> bytes:
    """Nothing was written."""
    return b""


def pointer(payload: bytes, rng: Generator) -> bytes:
    """Git LFS was not there when the repository was cloned."""
    return POINTER


def error_page(payload: bytes, rng: Generator) -> bytes:
    """Another document that a server sent instead."""
    return PAGE


# after these nothing of any format is readable; what follows may leave something that is
HOPELESS: list[Damage] = [
    cut,
    header_overwritten,
    block_lost,
    zeros_of_the_same_size,
    noise,
    empty,
    pointer,
    error_page,
]


def bits_flipped(payload: bytes, rng: Generator) -> bytes:
    """One to eight bits, half of the time near the beginning."""
    damaged = bytearray(payload)
    reach = len(payload) if rng.random() < 0.5 else min(len(payload), 128)
    for position in rng.integers(0, reach, int(rng.integers(1, 9))):
        damaged[position] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def run_overwritten(payload: bytes, rng: Generator) -> bytes:
    """A run of noise, or of one byte."""
    start, length = int(rng.integers(len(payload))), int(rng.integers(1, 65))
    run = rng.bytes(length) if rng.random() < 0.5 else rng.bytes(1) * length
    return payload[:start] + run + payload[start + length :]


def block_zeroed(payload: bytes, rng: Generator) -> bytes:
    """A block of the disk was never written."""
    start = int(rng.integers(len(payload)))
    length = min(int(rng.integers(1, 4097)), len(payload) - start)
    return payload[:start] + bytes(length) + payload[start + length :]


def run_lost(payload: bytes, rng: Generator) -> bytes:
    """Bytes are missing in the middle."""
    start = int(rng.integers(len(payload)))
    return payload[:start] + payload[start + int(rng.integers(1, 65)) :]


def run_repeated(payload: bytes, rng: Generator) -> bytes:
    """Bytes came twice."""
    start = int(rng.integers(len(payload)))
    return payload[: start + int(rng.integers(1, 257))] + payload[start:]


def appended(payload: bytes, rng: Generator) -> bytes:
    """Something follows the end: noise, zeros, or the file once more."""
    tails = (rng.bytes(100), bytes(1000), payload)
    return payload + tails[rng.integers(3)]


def magic_swapped(payload: bytes, rng: Generator) -> bytes:
    """It begins like a file of another kind."""
    magic = pick(rng, MAGICS)
    return magic + payload[len(magic) :]


def size_lies(payload: bytes, rng: Generator) -> bytes:
    """A 16, 32 or 64-bit number, often near the beginning, becomes a huge or an odd one."""
    width = pick(rng, (2, 4, 8))
    reach = len(payload) if rng.random() < 0.4 else min(len(payload), 256)
    start = int(rng.integers(max(reach - width, 1)))
    size = (pick(rng, SIZES) & (1 << 8 * width) - 1).to_bytes(width, pick(rng, ("little", "big")))
    return payload[:start] + size + payload[start + width :]


PARTIAL: list[Damage] = [bits_flipped, bits_flipped, run_overwritten, block_zeroed, run_lost, run_repeated, appended,
                         magic_swapped, size_lies, size_lies]  # fmt: skip


def any_damage(payload: bytes, rng: Generator) -> bytes:
    """One or two kinds of damage."""
    damages = HOPELESS if rng.random() < 0.2 else PARTIAL
    damaged = pick(rng, damages)(payload, rng)
    if damaged and rng.random() < 0.2:
        return pick(rng, PARTIAL)(damaged, rng)
    return damaged


def json_damage(text: str, rng: Generator) -> str:
    """A field of another type, missing, or given twice; or nesting without end."""
    if rng.random() < 0.1:
        return str(
            rng.choice(["[" * 100_000, '{"a":' * 100_000, '{"checkpoints": ' + "[" * 5_000, "", "null", "\ufeff{}"])
        )
    content = json.loads(text)
    for _ in range(int(rng.integers(1, 3))):
        holder, key = _any_place(content, rng)
        if holder is None:
            return json.dumps(pick(rng, JUNK))
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = pick(rng, JUNK)
    damaged = json.dumps(content)
    if rng.random() < 0.1:  # the last of two wins, in Python
        damaged = damaged.replace('": ', '": 5, "format": ', 1)
    return damaged


def _any_place(content: Any, rng: Generator) -> tuple[Any, Any]:
    """A container of a JSON tree and one of its keys; (None, None) is the root."""
    places: list[tuple[Any, Any]] = [(None, None)]
    waiting = [content]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else []
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return pick(rng, places)
