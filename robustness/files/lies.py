"""Make well-formed files that lie: huge sizes, bombs and odd fields under right checksums."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from robustness.draw import Generator, pick
from robustness.files.damage import json_damage

Lie = Callable[[bytes, Generator], bytes]
TRAP = Path("/tmp", "bridgenet-unpickled")  # there only if a file could run code
LARGE = 11_000  # 121 megapixels when squared: Pillow warns of them and refuses from 179


class Trap:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (TRAP,)


def raw_zeros(count: int) -> bytes:
    """A deflate stream of so many zeros, a thousandth of their size; made of one block many times, in no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(count, 2**20)
    return whole * block + packer.compress(bytes(rest)) + packer.flush()


def zeros_deflated(count: int) -> bytes:
    """The same as a zlib stream: between its head and Adler's checksum."""
    return b"\x78\xda" + raw_zeros(count) + struct.pack(">HH", count % 65_521, 1)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, data: bytes, extra: bytes = b"", interlace: int = 0) -> bytes:
    """A PNG with any header."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_lie(payload: bytes, rng: Generator) -> bytes:
    """Sizes, depths and colour types that are not so; text and profiles that inflate; too many frames or chunks."""
    side = int(rng.choice([0, 1, 50, 5_000, LARGE, 14_000, 60_000, 2**31 - 1, 2**32 - 1]))
    other = int(rng.choice([0, 1, 50, side]))
    bits, colour = int(rng.choice([1, 2, 3, 4, 8, 16])), int(rng.choice([0, 2, 3, 4, 5, 6]))
    bomb = zeros_deflated(2**26)
    extras = [
        b"",
        chunk(b"zTXt", b"Comment\0\0" + bomb),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
        chunk(b"iCCP", b"profile\0\0" + bomb),
        chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        chunk(b"PLTE", bytes(3 * 300)),
        chunk(b"tEXt", b"a\0b") * 20_000,
        chunk(b"eXIf", rng.bytes(40)),
        chunk(b"tRNS", bytes(300)),
    ]
    data = zlib.compress(bytes(rng.integers(0, 2**16)))
    return png(side, other, bits, colour, data, pick(rng, extras), int(rng.choice([0, 0, 1, 9])))


@lru_cache
def png_bomb(bits: int, colour: int) -> bytes:
    """121 megapixels of zeros in a few hundred kilobytes."""
    row = 1 + LARGE * bits // 8 * {0: 1, 2: 3}[colour]
    return png(LARGE, LARGE, bits, colour, zeros_deflated(row * LARGE))


@lru_cache
def jpeg_bomb() -> bytes:
    """64 megapixels of grey."""
    buffer = io.BytesIO()
    Image.new("RGB", (8_000, 8_000), (90, 90, 90)).save(buffer, "JPEG", quality=1)
    return buffer.getvalue()


def jpeg_lie(payload: bytes, rng: Generator) -> bytes:
    """Another height and width in the frame header."""
    place = next(i for i in range(len(payload)) if payload[i] == 0xFF and payload[i + 1] in (0xC0, 0xC2))
    sides = rng.choice([0, 1, 1000, 12_000, 65_535], 2)
    return payload[: place + 5] + struct.pack(">HH", *(int(side) for side in sides)) + payload[place + 9 :]


def bmp_lie(payload: bytes, rng: Generator) -> bytes:
    """Another size, depth, compression or offset."""
    damaged, values = bytearray(payload), (0, 1, 7, 24, 32, 5_000, 60_000, 2**31 - 1, -1, -40)
    place, width = ((10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (46, 4))[rng.integers(8)]
    damaged[place : place + width] = (pick(rng, values) % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(damaged)


def tiff(width: int, height: int, bits: int, data: bytes, sample_format: int = 1, compression: int = 8) -> bytes:
    """A little-endian TIFF of one strip."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, compression), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def tiff_lie(payload: bytes, rng: Generator) -> bytes:
    """One tag of another type, count or value; or a directory that comes after itself."""
    order = "<" if payload[:2] == b"II" else ">"
    start = struct.unpack(f"{order}I", payload[4:8])[0]
    (count,) = struct.unpack(f"{order}H", payload[start : start + 2])
    if rng.random() < 0.15:
        end = start + 2 + 12 * count
        return payload[:end] + struct.pack(f"{order}I", start) + payload[end + 4 :]
    place = start + 2 + 12 * int(rng.integers(count))
    tag, kind, number, value = struct.unpack(f"{order}HHII", payload[place : place + 12])
    odd = (0, 1, 3, 64, 1_000, 5_000, LARGE, 60_000, 2**31 - 1, 2**32 - 1)
    what = rng.integers(4)
    kind = int(rng.integers(0, 19)) if what == 0 else kind
    number = pick(rng, odd) if what == 1 else number
    value = pick(rng, odd) if what >= 2 else value
    return payload[:place] + struct.pack(f"{order}HHII", tag, kind, number, value) + payload[place + 12 :]


@lru_cache
def tiff_bomb(bits: int, sample_format: int) -> bytes:
    """121 megapixels of zeros."""
    return tiff(LARGE, LARGE, bits, zeros_deflated(LARGE * LARGE * bits // 8), sample_format)


def npy(header: str, data: bytes, version: bytes = b"\1\0") -> bytes:
    """An .npy file with any header."""
    text = header.encode("latin1") + b"\n"
    width = "<H" if version == b"\1\0" else "<I"
    return b"\x93NUMPY" + version + struct.pack(width, len(text)) + text + data


def npy_lie(payload: bytes, rng: Generator) -> bytes:
    """Shapes and dtypes that are not so, pickles, headers that are no dictionary."""
    shapes = ["(60000, 60000)", "(10**9,)", "(1000000000000, 1000)", "(2**62, 4)", "(4611686018427387904, 4)",
              "(-1, 5)", "(0, 5)", "(3.5, 2)", "()", "5", "(6, 8, 1)", "(" * 200 + ")" * 200, "(True, 8)", "(6, 9)",
              "None", "'a'", str((1,) * 70), "(1" + "0" * 5000 + ", 1)"]  # fmt: skip
    kinds = ["<u2", "|O", ">f8", "<f2", "|V9", "<U4", "|S1000000000", "<M8[s]", "<c16", "|b1", "x", "", "<f4,<f4",
             "(3,)f4", "<i8", "\\8", "4_u2"]  # fmt: skip
    shape, kind = pick(rng, shapes), pick(rng, kinds)
    order = ["False", "True", "7", "None"][rng.integers(4)]
    fields = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
    headers = [
        fields,
        fields,
        fields,
        fields[:-1],
        "[" * 9_000,
        "1if 2else 3",
        f"{fields[:-1]}'more': 1}}",
        " " * 60_000 + "{}",
    ]
    version = [b"\1\0", b"\2\0", b"\3\0", b"\x09\0"][rng.integers(4)]
    data = pickle.dumps(Trap()) if rng.random() < 0.3 else rng.bytes(96)
    if rng.random() < 0.1:
        return pickle.dumps(Trap())
    return npy(pick(rng, headers), data, version)


def npz_lie(payload: bytes, rng: Generator) -> bytes:
    """Odd names and members, entries twice, sizes that are not so, members that inflate."""
    good = npy("{'descr': '<u2', 'fortran_order': False, 'shape': (6, 8), }", bytes(96))
    names = [
        "depth.npy",
        "../../evil.npy",
        "/etc/evil.npy",
        "depth",
        "rgb.npy",
        "",
        "a/b.npy",
        "\0.npy",
        "d\u00e9pth.npy",
        "x" * 60_000,
    ]
    contents = [good, npy_lie(b"", rng), rng.bytes(50), b"", good[:60], npy("{'descr': '<u2', 'fortran_order': False, "
                "'shape': (1000, 2000), }", bytes(4_000_000))]  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(int(rng.choice([0, 1, 1, 2, 2_000], p=[0.1, 0.5, 0.1, 0.25, 0.05]))):
            info = zipfile.ZipInfo(pick(rng, names))
            info.compress_type = zipfile.ZIP_DEFLATED
            if info.filename not in archive.namelist():
                archive.writestr(info, contents[rng.integers(len(contents) if len(archive.filelist) < 2 else 1)])
    packed = bytearray(buffer.getvalue())
    place = packed.rfind(b"PK\1\2")
    if place >= 0 and rng.random() < 0.4:  # method, checksum, sizes, offset of the last member
        at, width = ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (42, 4))[rng.integers(6)]
        packed[place + at : place + at + width] = rng.choice([0, 1, 9, 2**16 - 1]).item().to_bytes(width, "little")
    return bytes(packed)


@lru_cache
def npz_bomb(megabytes: int) -> bytes:
    """Zeros that inflate a thousandfold; up to 4095 MiB, the limit of a plain zip."""
    name, size = b"depth.npy", megabytes * 2**20
    header = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({megabytes * 1024}, 1024), }}", b"")
    checksum = zlib.crc32(header)
    for _ in range(megabytes):
        checksum = zlib.crc32(bytes(2**20), checksum)
    stored = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF) + header + raw_zeros(size)
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, checksum, len(stored), len(header) + size, len(name), 0)
    entry = b"PK\1\2" + struct.pack("<H", 20) + fields + bytes(14) + name
    local = b"PK\3\4" + fields + name + stored
    return local + entry + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)


def pfm_lie(payload: bytes, rng: Generator) -> bytes:
    """Odd sizes and scales."""
    numbers = ["0", "-1", "8", "60000", "30000", "2147483647", "99999999999999999999", "3.5", "x", "", "1 1", "nan"]
    width, height, scale = (pick(rng, numbers) for _ in range(3))
    kind, turned = rng.choice(["Pf", "PF", "P7"]), rng.choice([scale, "-1.0", "1", "inf"])
    return f"{kind}\n{width} {height}\n{turned}\n".encode() + rng.bytes(192)


def webp_lie(payload: bytes, rng: Generator) -> bytes:
    """Another size in the container or in one of its chunks, or bits of a picture's head."""
    place = pick(rng, (4, 16, 20, 23, 24, 26, 28))
    return payload[:place] + rng.bytes(int(rng.integers(1, 5))) + payload[place + 4 :]


def pnm_lie(payload: bytes, rng: Generator) -> bytes:
    """Odd kinds, sizes and largest values."""
    numbers = [
        "0",
        "-1",
        "8",
        "60000",
        "30000",
        "2147483647",
        "99999999999999999999",
        "3.5",
        "x",
        "",
        "#",
        "255",
        "65535",
    ]
    kind = rng.choice(["P1", "P2", "P3", "P4", "P5", "P6", "P7", "Pf"])
    return f"{kind}\n{pick(rng, numbers)} {pick(rng, numbers)}\n{pick(rng, numbers)}\n".encode() + rng.bytes(192)


def rvl_lie(payload: bytes, rng: Generator) -> bytes:
    """Other sizes before the stream."""
    sides = [int(side) for side in rng.choice([-1, 0, 1, 20, 600, 8_000, 2**31 - 1], 2)]
    return struct.pack("<ii", *sides) + payload[8:]


def rvl_bomb() -> bytes:
    """16 megapixels of zeros in a few bytes: 2^24 has nine nibbles, of which the last alone is not 0."""
    nibbles = [8] * 8 + [1, 0] + [0] * 6
    words = [sum(nibble << 28 - 4 * i for i, nibble in enumerate(nibbles[start : start + 8])) for start in (0, 8)]
    return struct.pack("<iiII", 2**12, 2**12, *words)


def safetensors_lie(payload: bytes, rng: Generator) -> bytes:
    """Another header: of the format, of our metadata, or its length alone."""
    (length,) = struct.unpack("<Q", payload[:8])
    header, body = payload[8 : 8 + length].decode(), payload[8 + length :]
    kind = rng.random()
    if kind < 0.1:
        sizes = (0, 1, length - 1, length + 1, 10**8, 2**60, 2**64 - 1)
        return struct.pack("<Q", pick(rng, sizes)) + payload[8:]
    if kind < 0.5:
        text = json_damage(header, rng)
    else:
        content = json.loads(header)
        metadata = content["__metadata__"]
        metadata["bridgenet_infer"] = json_damage(metadata["bridgenet_infer"], rng)
        text = json.dumps(content)
    encoded = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(encoded)) + encoded + body


def yaml_lie(payload: bytes, rng: Generator) -> bytes:
    """Aliases that multiply, nesting, and other types."""
    laughs = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("k"))
    )
    texts = [laughs + payload, b"[" * 5_000, b"rosbag2_bagfile_information: 5", b"null", b"", b"\xff\xfe",
             b"!!python/object/apply:os.abort []", payload.replace(b"version: ", b"version: 99"),
             payload.replace(b"message_count: ", b"message_count: 9" * 20), payload.replace(b".db3", b".db4"),
             payload.replace(b"sqlite3", b"../x"), payload.replace(b"- ", b"- ../../")]  # fmt: skip
    return pick(rng, texts)
