"""TIFF files with tags that libraries do not write, for tests and campaigns."""

import struct
from collections.abc import Sequence

from bridgenet_infer.tiff import BITS, CHANNELS, HEIGHT, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT, WIDTH

COMPRESSION, PLACES, ROWS, SIZES = 259, 273, 278, 279
SHORTS = (BITS, COMPRESSION, PHOTOMETRIC, CHANNELS, PLANAR, SAMPLE_FORMAT)


def tiff_bytes(width: int, height: int, bits: int, planes: Sequence[bytes], tags: dict[int, int]) -> bytes:
    """An uncompressed little-endian TIFF: one channel, or three that lie in one plane or in three; other `tags` win."""
    channels = tags.get(CHANNELS, 1)
    places = [8 + sum(map(len, planes[:index])) for index in range(len(planes))]
    values = {WIDTH: [width], HEIGHT: [height], BITS: channels * [bits], COMPRESSION: [1], PHOTOMETRIC: [1],
              PLACES: places, CHANNELS: [channels], ROWS: [height], SIZES: list(map(len, planes)),
              PLANAR: [1 if len(planes) == 1 else 2], SAMPLE_FORMAT: channels * [1]}  # fmt: skip
    values |= {tag: [number] for tag, number in tags.items() if tag != CHANNELS}
    body, entries = b"II*\0" + bytes(4) + b"".join(planes), b""
    for tag in sorted(values):
        form, kind = ("H", 3) if tag in SHORTS or tag > SIZES else ("I", 4)
        packed = struct.pack(f"<{len(values[tag])}{form}", *values[tag])
        if len(packed) > 4:
            body, packed = body + packed, struct.pack("<I", len(body))
        entries += struct.pack("<HHI", tag, kind, len(values[tag])) + packed.ljust(4, b"\0")
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + struct.pack("<H", len(values)) + entries + bytes(4)
