"""Wrong files in the place of a checkpoint or a manifest. Each case puts one there, and takes it away again."""

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from bridgenet_infer.weights import load_checkpoint, read_manifest
from bridgenet_infer.weights.checkpoint import METADATA_KEY
from bridgenet_infer.weights.manifest import MANIFEST
from testing.hub_server import manifest_entry
from testing.tiny import write_tiny_checkpoint

State = dict[str, Tensor]
FLOATS = (torch.float64, torch.float32, torch.bfloat16)
OTHERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64)


@dataclass(frozen=True)
class Case:
    """One load: of `weights`, which `loads` as `expected` or is refused with one of `names` in the message."""

    what: str
    weights: str
    names: tuple[str, ...]
    expected: State
    loads: bool = False


@dataclass(frozen=True)
class Place:
    """A good checkpoint file, and the weights that it is loaded as."""

    file: Path
    weights: str
    expected: State

    def case(self, what: str, loads: bool = False) -> Case:
        """It must be named, or be good after all."""
        return Case(what, self.weights, (self.file.name,), self.expected, loads)


@contextmanager
def put_aside(file: Path) -> Iterator[bytes]:
    """Give the content of a file, and put the file back after the block."""
    payload = file.read_bytes()
    try:
        yield payload
    finally:
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_bytes(payload)


def flipped(place: Place, count: int, seed: int) -> Iterator[Case]:
    """One bit at each of so many places."""
    chance = random.Random(seed)
    stored = Place(place.file.resolve(), place.weights, place.expected)  # in the Hub's cache names are links
    with put_aside(stored.file) as payload:
        for position in chance.sample(range(len(payload)), count):
            damaged, bit = bytearray(payload), chance.randrange(8)
            damaged[position] ^= 1 << bit
            stored.file.write_bytes(damaged)
            yield place.case(f"bit {bit} of byte {position}")


def truncated(place: Place, count: int, seed: int) -> Iterator[Case]:
    """Cut off at so many places, verified and not: the last may never be loaded in part either."""
    with put_aside(place.file) as payload, tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone.safetensors"
        for size in [0, 1, 7, 8, 9, *random.Random(seed).sample(range(len(payload)), count), len(payload) - 1]:
            place.file.write_bytes(payload[:size])
            yield place.case(f"cut to {size} bytes")
            alone.write_bytes(payload[:size])
            yield Case(f"cut to {size} bytes, by path", str(alone), (str(alone),), place.expected)


def exchanged(folder: Path) -> Iterator[Case]:
    """Each bundled checkpoint under the name of each other one."""
    entries = read_manifest().values()
    for entry in entries:
        with put_aside(folder / entry.file):
            for other in entries:
                if other is not entry:
                    shutil.copy(folder / other.file, folder / entry.file)
                    yield Case(f"{other.name} as {entry.name}", entry.name, (str(folder / entry.file),), {})


def foreign(folder: Path, every: int = 1) -> Iterator[Case]:
    """Files that safetensors reads, and are not ours or not quite; all of them, or every second, ..."""
    folder.mkdir()
    good = load_file(write_tiny_checkpoint(folder / "good.safetensors"))
    with safe_open(folder / "good.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
    expected = load_checkpoint(folder / "good.safetensors")[0].state_dict()
    for what, tensors, metadata, loads in islice(chain(_tensors(good, header), _headers(good, header)), 0, None, every):
        path = folder / "foreign.safetensors"
        save_file(tensors, path, metadata)
        wanted = {name: tensor.float() for name, tensor in tensors.items()} if loads else expected
        yield Case(what, str(path), (str(path),), wanted, loads)


Foreign = tuple[str, State, dict[str, str], bool]


def _tensors(good: State, header: dict[str, Any]) -> Iterator[Foreign]:
    ours = {METADATA_KEY: json.dumps(header)}
    name, tensor = next((n, t) for n, t in good.items() if t.dim() == 4)
    language = {f"model.layers.{i}.mlp.weight": torch.ones(8, 8) for i in range(3)}
    yield "another model", language, {"format": "pt"}, False
    yield "another model, no metadata", language, {}, False
    yield "another model, our header", language, ours, False
    yield "right tensors, no metadata", good, {}, False
    for what, value in {
        "transposed": tensor.transpose(0, 1).contiguous(),
        "wider": torch.cat((tensor, tensor)),
        "flat": tensor.flatten(),
        "scalar": torch.tensor(1.0),
        "empty": tensor[:0],
    }.items():
        if value.shape != tensor.shape:
            yield f"{name} {what}", {**good, name: value}, ours, False
    for odd in (torch.nan, torch.inf, -torch.inf):
        yield f"{odd} in {name}", {**good, name: torch.full_like(tensor, odd)}, ours, False
    for missing in good:
        yield f"without {missing}", {n: t for n, t in good.items() if n != missing}, ours, False
        yield f"{missing} renamed", {f"{n}." if n == missing else n: t for n, t in good.items()}, ours, False
    yield "one more", {**good, "surplus": torch.zeros(1)}, ours, False
    yield "none", {}, ours, False
    for dtype in FLOATS:
        yield f"all {dtype}", {n: t.to(dtype) for n, t in good.items()}, ours, True
    for dtype in OTHERS:
        yield f"all {dtype}", {n: t.to(dtype) for n, t in good.items()}, ours, False
        yield f"{name} {dtype}", {**good, name: tensor.to(dtype)}, ours, False


def _headers(good: State, header: dict[str, Any]) -> Iterator[Foreign]:
    config = header["config"]
    odd: tuple[Any, ...] = (None, 5, "x", [], {}, [1], True, -1, 1e400)
    texts = ["", "{", "null", "[]", "5", '"x"', "[" * 100_000, '{"a": ' * 100_000]
    texts += [json.dumps(header | {"format": value}) for value in odd]
    texts += [json.dumps(header | {"config": value}) for value in odd]
    texts += [json.dumps(header | {"scales": value}) for value in odd[1:]]
    texts += [json.dumps(header | {"scales": text}) for text in ("2", "two-three", "2-3-4", "", "16-2", "nan-nan")]
    for name, value in config.items():
        wrongs = [wrong for wrong in odd if type(wrong) is not type(value) or wrong in (-1, "x", [], [1])]
        texts += [json.dumps(header | {"config": config | {name: wrong}}) for wrong in wrongs]
    texts += [json.dumps(header | {"config": config | {"trunk_blocks": 10**9}})]
    texts += [json.dumps(header | {"config": config | {"dsr_widths": [10**6] * 4}})]
    for text in texts:
        start = next((i for i, (a, b) in enumerate(zip(text, json.dumps(header), strict=False)) if a != b), 0)
        yield f"header ...{text[max(start - 30, 0) : start + 30]}...", good, {METADATA_KEY: text}, False


def no_files(folder: Path, place: Place) -> Iterator[Case]:
    """Links, folders, devices and pipes: bundled, by path, and alone in a folder."""
    folder.mkdir()
    good = folder / "good" / "good.safetensors"
    good.parent.mkdir()
    shutil.copy(place.file, good)
    other = write_tiny_checkpoint(folder / "other")
    kinds: dict[str, Callable[[Path], object]] = {
        "a dangling link": lambda path: path.symlink_to(folder / "nothing"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a link to another checkpoint": lambda path: path.symlink_to(other),
        "a link to a folder": lambda path: path.symlink_to(good.parent),
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
        "a link to the file": lambda path: path.symlink_to(good),
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "an empty file": Path.touch,
    }
    for what, make in kinds.items():
        loads = what == "a link to the file"
        with put_aside(place.file):
            place.file.unlink()
            make(place.file)
            yield place.case(f"{what}, bundled", loads)
        alone = folder / "alone" / "alone.safetensors"
        alone.parent.mkdir()
        make(alone)
        if what != "a link to another checkpoint":  # by path, that is as good as any
            by_path = loads or what == "a link to a folder"  # which holds the good one
            yield Case(f"{what}, by path", str(alone), (str(alone),), place.expected, by_path)
            yield Case(f"{what}, in a folder", str(alone.parent), (str(alone),), place.expected, loads)
        shutil.rmtree(alone.parent)


def edited_manifests(folder: Path, seed: int) -> Iterator[Case]:
    """Beside a good checkpoint, a manifest that somebody has changed."""
    folder.mkdir()
    file, note = write_tiny_checkpoint(folder / "tiny.safetensors"), folder / MANIFEST
    payload, expected = file.read_bytes(), load_checkpoint(file)[0].state_dict()
    entry = manifest_entry(payload, file.name, repo_id=None, revision=None)
    digest = str(entry["sha256"])
    names = (str(file), str(note))

    def case(what: str, content: bytes, loads: bool = False) -> Case:
        note.write_bytes(content)
        return Case(what, str(folder), names, expected, loads)

    def document(**changes: Any) -> bytes:
        return json.dumps({"checkpoints": [entry | changes]}).encode()

    yield case("as it is", document(), loads=True)
    yield case("unknown fields", document(licence=5, data=None, more={"a": []}), loads=True)
    yield case("unknown fields outside", json.dumps({"checkpoints": [entry], "version": 7}).encode(), loads=True)
    for value in (digest[:-1] + "g", digest.upper(), digest[::-1], "0" * 64, digest + "0", digest[:-1], digest + "\n"):
        yield case(f"sha256 {value!r}", document(sha256=value))
    for size in (len(payload) + 1, len(payload) - 1, 0, -len(payload), 2**80, len(payload) + 0.5):
        yield case(f"size {size}", document(size=size))
    up = ("../tiny.safetensors", "/etc/tiny.safetensors", "a/tiny.safetensors", "..", "", "tiny", "tiny.pt",
          "~/tiny.safetensors", "..\\tiny.safetensors", "tiny.safetensors\n", "tiny.safetensors\0")  # fmt: skip
    for value in up:
        yield case(f"file {value!r}", document(file=value))
    for name in ("name", "file", "sha256", "size", "scales"):
        yield case(
            f"without {name}", json.dumps({"checkpoints": [{k: v for k, v in entry.items() if k != name}]}).encode()
        )
    for name, value in entry.items():
        for wrong in (None, 5, -1, 1e400, True, "x", "", [], [1], {}, {"a": 1}):
            if wrong != value and (name, wrong) != ("name", "x"):  # a good name as well
                yield case(f"{name} {wrong!r}", document(**{name: wrong}))
    for scales in ([2], [2, 16, 3], ["2", "16"], [16, 2], [0, 16], [-2, 16], [2, float("nan")], [2, 1e400]):
        yield case(f"scales {scales}", document(scales=scales))
    yield case("twice", json.dumps({"checkpoints": [entry, entry | {"sha256": "0" * 64}]}).encode())
    for content in (b"", b"{", b"[]", b"null", b"5", b'"x"', b"{}", b'{"checkpoints": null}', b'{"checkpoints": [5]}',
                    b'{"checkpoints": "ab"}', b'{"checkpoints": {"a": 1}}', b"\xff\xfe", b"[" * 100_000):  # fmt: skip
        yield case(f"content {content[:30]!r}", content)
    whole = document()
    for size in random.Random(seed).sample(range(1, len(whole)), 20):
        yield case(f"cut to {size} bytes", whole[:size])
    note.unlink()
    os.mkfifo(note)
    yield Case("a pipe as the manifest", str(folder), names, expected)
    note.unlink()
    note.mkdir()
    yield Case("a folder as the manifest", str(folder), names, expected)
    note.rmdir()
    note.symlink_to(folder / "nothing")
    yield Case("a dangling link as the manifest", str(folder), names, expected)
