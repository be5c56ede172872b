"""Damage one file of a scan, and read all of its frames."""

import io
import json
import struct
import tempfile
import zipfile
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bridgenet_infer.scans import Scan, open_scan
from robustness.draw import Generator, pick
from robustness.files.damage import json_damage
from robustness.files.formats import Format
from robustness.files.lies import npz_lie
from robustness.files.parts import make_part, put_rest, read_folder
from simulation import scans

VARIANTS = 2  # two seeds of each
FOLDER = "scan"
DAMAGED = {
    "stray": ("rgb.mp4", "camera_matrix.csv", "depth/000001.png", "confidence/000001.png"),
    "polycam": ("keyframes/cameras/293814600474.json",),
    "arkitscenes": ("wide_intrinsics/41069021_305.245.pincam",),
    "record3d": (".r3d",),
}


def scan_formats() -> dict[str, Format]:
    """One for each file of a scan that can be damaged."""
    found = {}
    lies = {"rgb.mp4": [mp4_lie], ".json": [_json_lie], ".r3d": [r3d_lie, npz_lie], ".csv": [_numbers_lie],
            ".pincam": [_numbers_lie]}  # fmt: skip
    for layout, names in DAMAGED.items():
        if layout == "record3d" and find_spec("lzfse") is None:
            continue
        for name in names:
            place = f"{FOLDER}{name}" if name == ".r3d" else f"{FOLDER}/{name}"
            found[f"{layout} {Path(name).name}"] = Format(
                partial(make_part, partial(good_scan, layout), VARIANTS, place), place, check_scan,
                lies=next((made for end, made in lies.items() if name.endswith(end)), []),
                names_file=False, prepare=partial(put_rest, partial(good_scan, layout), VARIANTS),
            )  # fmt: skip
    return found


@lru_cache
def good_scan(layout: str, variant: int) -> dict[str, bytes]:
    """Contents by relative path."""
    rng = np.random.default_rng(variant)
    frames = [
        scans.ScanFrame(
            rng.integers(0, 256, (48, 64, 3), np.uint8),
            rng.integers(500, 4000, (6, 8)).astype(np.uint16),
            rng.integers(0, 3, (6, 8)).astype(np.uint8),
        )
        for _ in range(3)
    ]
    with tempfile.TemporaryDirectory() as folder:
        scans.WRITERS[layout](Path(folder, FOLDER + (".r3d" if layout == "record3d" else "")), frames)
        return read_folder(Path(folder))


def check_scan(path: Path) -> None:
    """Frames of the right kinds, or errors that name a place: of the scan, or the first one of a frame."""
    root = next((parent for parent in path.parents if parent.name == FOLDER), path)
    refusals = []
    try:
        scan = open_scan(root, 1)
        for name in scan.frames:
            try:
                check_frame(scan, name)
            except (OSError, ValueError) as error:
                refusals.append(error)
    except (OSError, ValueError) as error:
        refusals.append(error)
    for refusal in refusals:
        assert str(root) in str(refusal), f"the scan is not named: {refusal!r}"
    if refusals:
        raise refusals[0]


def check_frame(scan: Scan, name: str) -> None:
    """An image, its depth and its camera."""
    rgb, depth = scan.read(name)
    assert rgb.ndim == 3, rgb.shape
    assert rgb.shape[2] == 3, rgb.shape
    assert depth.ndim == 2, depth.shape
    assert depth.dtype.kind in "uif", depth.dtype
    camera = scan.camera(name, rgb.shape[:2])
    assert np.isfinite(camera.matrix).all()
    assert json.loads(camera.as_json())["width"] == rgb.shape[1]


def mp4_lie(payload: bytes, rng: Generator) -> bytes:
    """Another number or size in one of the boxes."""
    boxes = [b"stsz", b"stts", b"stsc", b"stco", b"tkhd", b"mvhd", b"mdhd", b"mp4v", b"elst", b"dref", b"mdat", b"ftyp",
             b"esds", b"hdlr", b"trak"]  # fmt: skip
    place: int = payload.find(pick(rng, boxes)) + int(rng.integers(-4, 48))
    value: int = pick(rng, (0, 1, 3, 2**14, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1))
    width: int = pick(rng, (2, 4))
    return payload[:place] + (value % (1 << 8 * width)).to_bytes(width, "big") + payload[place + width :]


def r3d_lie(payload: bytes, rng: Generator) -> bytes:
    """A member that is damaged, inflates, is there twice, or lies about its size; metadata of other types."""
    import lzfse

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = pick(rng, [*members, "metadata", "metadata"])
    zeros = lzfse.compress(bytes(2**24))
    blocks = [b"bvx-" + struct.pack("<I", 2**31), *(b"bvx" + kind + rng.bytes(900) for kind in (b"n", b"1", b"2"))]
    contents = [b"", zeros, zeros[:-4] * 40, bytes(2**26), rng.bytes(400), *blocks]
    if name == "metadata":
        members[name] = json_damage(members[name].decode(), rng).encode("utf-8", "surrogatepass")
    elif rng.random() < 0.3:
        damaged = bytearray(members[name])
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] ^= 1 << int(rng.integers(8))
        members[name] = bytes(damaged)
    else:
        members[name] = pick(rng, contents)
    with zipfile.ZipFile(buffer, "w", pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return buffer.getvalue()


def _json_lie(payload: bytes, rng: Generator) -> bytes:
    return json_damage(payload.decode(), rng).encode("utf-8", "surrogatepass")


def _numbers_lie(payload: bytes, rng: Generator) -> bytes:
    """Another word in the place of one."""
    words = payload.replace(b"\n", b" \n").split(b" ")
    words[rng.integers(len(words))] = pick(
        rng, (b"0", b"-1", b"nan", b"inf", b"1e400", b"9" * 5000, b"x", b"\xff", b"")
    )
    return b" ".join(words)
