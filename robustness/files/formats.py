"""Formats of files: for each a good file, ways to damage it, and the checks of arrays that are read all the same."""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bridgenet_infer.backends.per_scale import networks_of
from bridgenet_infer.read import exr_supported, read_depth, read_rgb
from bridgenet_infer.ros.rvl import decode_rvl
from bridgenet_infer.weights import CHECKPOINT_FOLDER, checkpoint_bytes, load_weights, manifest_path, read_manifest
from bridgenet_infer.weights.manifest import MANIFEST
from bridgenet_infer.write import DTYPES_BY_SUFFIX, write_depth
from robustness.draw import Generator
from robustness.files import lies as file_lies
from robustness.files.damage import json_damage
from robustness.files.lies import Lie
from testing.hub_server import manifest_entry
from testing.rvl import encode_rvl
from testing.tiny import tiny_model


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    make
        Bytes of a good file, by a seed.
    name
        Of the file that is damaged, within a folder that `prepare` fills.
    read
        Reads it and says with an AssertionError what is wrong with the result.
    errors
        What reading may raise.
    lies
        Well-formed files that lie.
    heavy
        Bombs, each of which takes seconds.
    names_file
        Whether every error names the file.
    costly
        One of so many files is read: each takes long.
    """

    make: Callable[[int], bytes]
    name: str
    read: Callable[[Path], None]
    errors: tuple[type[Exception], ...] = (OSError, ValueError)
    lies: Sequence[Lie] = ()
    heavy: Sequence[Callable[[], bytes]] = ()
    names_file: bool = True
    prepare: Callable[[Path, int], None] = lambda folder, seed: None
    costly: int = 1


def make_depth(suffix: str, dtypes: Sequence[str], seed: int) -> bytes:
    """A depth map of one of the dtypes, as the package writes it."""
    dtype = dtypes[seed % len(dtypes)]
    depth = np.random.default_rng(seed).uniform(1, 250, (20, 30)).astype(dtype)
    path = Path("/tmp", f"bridgenet-sample-{seed}{suffix}")
    write_depth(path, depth)
    payload = path.read_bytes()
    path.unlink()
    return payload


def make_image(kind: str, modes: Sequence[str], options: Sequence[dict[str, Any]], seed: int) -> bytes:
    """An image of one of the modes, saved with one of the options."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    mode, buffer = modes[seed % len(modes)], io.BytesIO()
    image = (
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(pixels).convert(mode)
    )
    image.save(buffer, kind, **options[seed % len(options)])
    return buffer.getvalue()


def make_rvl(seed: int) -> bytes:
    """compressedDepth of RVL, without the message around it."""
    depth = np.random.default_rng(seed).integers(500, 4000, (20, 30)).astype(np.uint16)
    depth[:, :5] = 0
    return encode_rvl(depth)


def make_numpy(packed: bool, seed: int) -> bytes:
    """An array of any dtype."""
    array = np.random.default_rng(seed).uniform(1, 250, (6, 8)).astype(["uint16", "float32", ">f8", "uint8"][seed % 4])
    buffer = io.BytesIO()
    if packed:
        (np.savez, np.savez_compressed)[seed % 2](buffer, depth=array)
    else:
        np.save(buffer, array)
    return buffer.getvalue()


@lru_cache
def make_checkpoint(seed: int) -> bytes:
    """The tiny graph's."""
    return checkpoint_bytes(tiny_model(), {"scales": "2-16"})


def make_compiled(seed: int) -> bytes:
    """The bundled network for OpenVINO."""
    return (CHECKPOINT_FOLDER / "default-int8.safetensors").read_bytes()


def make_manifest(seed: int) -> bytes:
    """The package's own."""
    return manifest_path().read_bytes()


def put_manifest(folder: Path, seed: int) -> None:
    """Beside the checkpoint."""
    payload = make_checkpoint(seed)
    entry = manifest_entry(payload)
    (folder / MANIFEST).write_text(json.dumps({"checkpoints": [entry]}))


def check_depth(path: Path) -> None:
    """(h, w) of a dtype that the docstring has."""
    depth = read_depth(path)
    assert isinstance(depth, np.ndarray)
    assert depth.ndim == 2, depth.shape
    assert not depth.dtype.hasobject
    images = " ".join(DTYPES_BY_SUFFIX[".tif"])  # Pillow goes by the content: a TIFF may be called .png
    dtypes = {".png": images, ".tif": images, ".pfm": "float32", ".exr": "float32"}
    if path.suffix in dtypes:
        assert depth.dtype.name in dtypes[path.suffix], f"{depth.dtype} from {path.suffix}"
        assert depth.size, depth.shape


def check_rgb(path: Path) -> None:
    """(H, W, 3) of 8 or 16 bits."""
    rgb = read_rgb(path)
    assert rgb.ndim == 3, rgb.shape
    assert rgb.shape[2] == 3, rgb.shape
    assert rgb.dtype in (np.uint8, np.uint16), rgb.dtype
    assert rgb.size


def check_rvl(path: Path) -> None:
    """(h, w) uint16."""
    depth = decode_rvl(path.read_bytes())
    assert depth.ndim == 2, depth.shape
    assert depth.dtype == np.uint16, depth.dtype
    assert depth.size


def check_checkpoint(path: Path) -> None:
    """A network with finite weights, and scales that can be."""
    loaded = load_weights(path)
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.model.state_dict().values()), "weights are not finite"
    if loaded.scales is not None:
        assert 0 < loaded.scales[0] <= loaded.scales[1] < float("inf"), loaded.scales


def check_verified(path: Path) -> None:
    """Damage cannot pass the manifest's checksum."""
    check_checkpoint(path)
    assert path.read_bytes() == make_checkpoint(0), "a damaged file passed the manifest's sha256"


def check_compiled(path: Path) -> None:
    """A network that runs or says why not."""
    loaded = load_weights(path)
    with torch.inference_mode():
        for network in networks_of(loaded.model):
            channels = 2 if network.config.validity_input else 1
            residual = network(torch.zeros(1, 3, 16, 16), torch.zeros(1, channels, 16, 16)).residual
            assert residual.shape == (1, 1, 16, 16)


def check_manifest(path: Path) -> None:
    """Fields of their types."""
    for name, entry in read_manifest(path).items():
        assert name == entry.name
        assert all(isinstance(text, str) for text in (entry.name, entry.file, entry.sha256))
        assert entry.size > 0
        assert 0 < entry.scales[0] <= entry.scales[1] < float("inf"), entry.scales
        assert isinstance(entry.repo_id, str | None)
        assert isinstance(entry.revision, str | None)


def manifest_lie(payload: bytes, rng: Generator) -> bytes:
    """A field of another type, or none."""
    return json_damage(payload.decode(), rng).encode("utf-8", "surrogatepass")


def formats() -> dict[str, Format]:
    """All that can be read here."""
    png = partial(make_image, "PNG")
    packed: list[dict[str, Any]] = [{}, *({"compression": name} for name in ("tiff_deflate", "tiff_lzw", "packbits"))]
    jpeg: list[dict[str, Any]] = [{}, {"progressive": True}, {"quality": 20}]
    depth_dtypes, rgb_modes = list(DTYPES_BY_SUFFIX[".tif"]), ["RGB", "L", "RGBA", "I;16"]
    safetensors = [file_lies.safetensors_lie]
    found = {
        "PNG depth": Format(
            partial(make_depth, ".png", ["uint8", "uint16"]), "d.png", check_depth, lies=[file_lies.png_lie],
            heavy=[partial(file_lies.png_bomb, 8, 0), partial(file_lies.png_bomb, 16, 0)],
        ),
        "PNG RGB": Format(
            partial(png, ["RGB", "L", "RGBA", "P", "I;16", "1"], [{}, {"optimize": True}]), "c.png", check_rgb,
            lies=[file_lies.png_lie], heavy=[partial(file_lies.png_bomb, 8, 2), partial(file_lies.png_bomb, 16, 2)],
        ),
        "JPEG": Format(
            partial(make_image, "JPEG", ["RGB", "L", "CMYK"], jpeg), "c.jpg", check_rgb,
            lies=[file_lies.jpeg_lie], heavy=[file_lies.jpeg_bomb],
        ),
        "BMP": Format(
            partial(make_image, "BMP", ["RGB", "L", "P", "1"], [{}]), "c.bmp", check_rgb, lies=[file_lies.bmp_lie]
        ),
        "TIFF depth": Format(
            partial(make_depth, ".tif", depth_dtypes), "d.tif", check_depth, lies=[file_lies.tiff_lie],
            heavy=[partial(file_lies.tiff_bomb, bits, kind) for bits, kind in ((8, 1), (16, 1), (32, 2), (32, 3))],
        ),
        "TIFF RGB": Format(
            partial(make_image, "TIFF", rgb_modes, packed), "c.tif", check_rgb, lies=[file_lies.tiff_lie]
        ),
        "WebP": Format(
            partial(make_image, "WEBP", ["RGB", "RGBA"], [{}, {"lossless": True}]), "c.webp", check_rgb,
            lies=[file_lies.webp_lie],
        ),
        "PPM": Format(partial(make_image, "PPM", ["RGB", "L"], [{}]), "c.ppm", check_rgb, lies=[file_lies.pnm_lie]),
        "RVL": Format(
            make_rvl, "d.rvl", check_rvl, (ValueError,), [file_lies.rvl_lie], names_file=False,
            heavy=[file_lies.rvl_bomb],
        ),
        "NPY": Format(partial(make_numpy, False), "d.npy", check_depth, lies=[file_lies.npy_lie]),
        "NPZ": Format(
            partial(make_numpy, True), "d.npz", check_depth, lies=[file_lies.npz_lie],
            heavy=[partial(file_lies.npz_bomb, 1000), partial(file_lies.npz_bomb, 4000)],
        ),
        "PFM": Format(partial(make_depth, ".pfm", ["float32"]), "d.pfm", check_depth, lies=[file_lies.pfm_lie]),
        "safetensors": Format(make_checkpoint, "tiny.safetensors", check_checkpoint, (OSError,), safetensors),
        "safetensors, manifest": Format(
            make_checkpoint, "tiny.safetensors", check_verified, (OSError,), safetensors, prepare=put_manifest
        ),
        "manifest": Format(make_manifest, MANIFEST, check_manifest, (OSError,), [manifest_lie]),
    }  # fmt: skip
    if exr_supported():
        found["EXR"] = Format(partial(make_depth, ".exr", ["float32"]), "d.exr", check_depth)
    if find_spec("openvino"):
        found["OpenVINO"] = Format(
            make_compiled, "int8.safetensors", check_compiled, (OSError,), [file_lies.safetensors_lie], costly=50
        )
    return found


def clear(folder: Path) -> None:
    """Nothing of the last file is left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
