"""The option --doctor: it checks everything that a bug report needs to tell."""

import argparse
import os
import platform
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants

from .. import __version__
from ..backends.devices import choose_device, choose_precision
from ..read import exr_supported
from ..upsampler import DepthUpsampler
from ..weights import ManifestEntry, read_manifest
from ..weights.hub import cached_path
from .selftest import make_scene

PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors", "huggingface_hub", "openvino")
MAX_DEVIATION = 1.0  # mm, in a scene of 0.8 to 3.3 m: a tenth of a grey level of 255
Findings = dict[str, Any]


def examine(options: argparse.Namespace) -> Findings:
    """Look at versions, devices, formats, weights, and up-sample a scene of known depth.

    Returns
    -------
    Sections by name; "problems" lists what is wrong in words, and is empty if all is well.
    """
    problems: list[str] = []

    def attempt(what: str, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            problems.append(f"{what}: {' '.join(str(error).split())}")
            return "failed"

    return {
        "bridgenet-infer": __version__,
        "python": " ".join(
            [platform.python_version(), "on", platform.system(), platform.machine(), *filter(None, platform.libc_ver())]
        ),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": {"cpu": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads", **_accelerators()},
        "in use": attempt("device", partial(_in_use, options)),
        "exr": exr_supported(),
        "hub": {
            "cache": _without_home(constants.HF_HUB_CACHE),
            "endpoint": constants.ENDPOINT,
            "offline": constants.HF_HUB_OFFLINE,
        },
        "weights": {
            entry.name: attempt(f"weights {entry.name}", partial(_find, entry))
            for entry in (attempt("manifest", read_manifest) or {}).values()
        },
        "self-test": attempt("self-test", partial(_self_test, options, problems)),
        "problems": problems,
    }


def format_findings(findings: Findings) -> str:
    """The findings as text, one line each."""
    lines = []
    for name, value in findings.items():
        if name == "problems":
            continue
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (key, item) in enumerate(rows):
            lines.append(f"{name if i == 0 else '':<16}{f'{key}: ' if key else ''}{_word(item)}")
    problems = findings["problems"]
    return "\n".join([*lines, *(f"PROBLEM: {problem}" for problem in problems), "" if problems else "all is well"])


def _word(item: Any) -> str:
    return {True: "yes", False: "no"}[item] if isinstance(item, bool) else str(item)


def _without_home(path: str) -> str:
    """A bug report needs no user names."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed under this name"


def _accelerators() -> dict[str, str]:
    found = {}
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        found[f"cuda:{i}"] = f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "available"
    return found


def _in_use(options: argparse.Namespace) -> dict[str, str]:
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    return {"device": str(device), "precision": str(dtype).removeprefix("torch.")}


def _find(entry: ManifestEntry) -> str:
    if entry.bundled_path.is_file():
        place, path = "bundled", entry.bundled_path
    else:
        cached = entry.repo_id and cached_path(entry.repo_id, entry.file, entry.revision)
        if not cached:
            return f"not here, to be downloaded from {entry.repo_id}"
        place, path = "in the Hub cache", cached
    entry.read(path)
    return f"{place}, verified, sha256 {entry.sha256[:12]}, {entry.size:,} bytes"


def _self_test(options: argparse.Namespace, problems: list[str]) -> dict[str, str]:
    """Up-sample the built-in scene as the command would, then in tiles, then on the CPU in float32."""
    scene = make_scene()
    load = partial(DepthUpsampler.from_pretrained, options.weights, revision=options.revision)
    upsampler = load(device=options.device, precision=options.precision)
    reference = load(device="cpu", precision="fp32")
    ours, tiled = (upsampler(scene.rgb, scene.lr_depth, tile=tile) for tile in ("whole", 128))
    exact = reference(scene.rgb, scene.lr_depth, tile="whole")
    error, plain, deviation = (scene.error(ours), scene.error(scene.bicubic()), _difference(ours, exact))
    if error >= plain:
        problems.append(f"self-test: mean error {error:.1f} mm, bicubic {plain:.1f} mm")
    if deviation > MAX_DEVIATION:
        problems.append(f"self-test: {deviation:.2f} mm from float32 on the CPU")
    return {
        "mean error": f"{error:.1f} mm at x8 (bicubic {plain:.1f} mm)",
        "from float32 on the CPU": f"{deviation:.3f} mm",
        "tiles from one pass": f"{_difference(tiled, ours):.3f} mm",
    }


def _difference(a: Any, b: Any) -> float:
    return float(np.abs(a.astype(np.float64) - b).mean())
