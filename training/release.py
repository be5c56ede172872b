"""Turn a run into a shippable checkpoint: safetensors, manifest entry and model card.

`python -m training.release --run out/runs/NAME --config training/configs/NAME.toml`
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.weights import CHECKPOINT_FOLDER, checkpoint_bytes, load_checkpoint, manifest_path
from bridgenet_infer.write import write_atomically
from training.config import DataConfig, RunConfig, load_config
from training.curves import COLUMNS, read_rows
from training.degrade import LR_KERNELS
from training.sampler import FINE_SCALE, patches_per_step
from training.sensors import SENSORS

DATA = "procedural scenes of this project; Middlebury 2003, 2006 and 2014 (training views)"
LICENCE = "Apache-2.0"
SCALE_COLUMNS = {name for name in COLUMNS if "x" in name}

CARD = """# {name}

Guided depth super-resolution weights for [bridgenet-infer](../../README.md): BridgeNet (Tang et al., ACM MM 2021),
trained from scratch by this project. Licence: {licence}.

| | |
|---|---|
| scales | {scales_in_words} |
| parameters | {parameters:,} |
| file | {file}, {size:,} bytes, fp16 storage |
| sha256 | `{sha256}` |
| LR in training | {kernel}; 8-bit in {integer:.0%} of the batches, holes filled before |
| data | {data} |
| training | {steps:,} steps of {patches}, {hours:.2f} h on {hardware}{started} |
| graph | `{config}` |

Validation (Middlebury scenes kept apart; mean absolute difference in grey levels of 0..255): {validation}.

Not for sparse LiDAR, and not for depth that is not registered to the image. Middlebury asks users of its data to cite
Scharstein and Szeliski 2003, Scharstein and Pal 2007, Hirschmueller and Scharstein 2007, Scharstein et al. 2014.
"""


def release(run: Path, config: RunConfig, hardware: str, started_from: str | None = None) -> dict[str, Any]:
    """Make checkpoint, card and manifest entry of a run, and install them.

    Parameters
    ----------
    run
        Folder with last.pt and curve.csv.
    hardware, started_from
        In words, for card and manifest.

    Raises
    ------
    OSError
        If the run has no checkpoint or something cannot be written.
    """
    state = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
    model = build_bridgenet(config.model)
    model.load_state_dict(state["ema"])
    kernel = lr_in_words(config.data)
    low, high = min(config.data.scales), max(config.data.scales)
    notes = {
        "scales": f"{low:g}-{high:g}",
        "lr_kernel": kernel,
        "normalisation": "percentiles 1-99",
        "licence": LICENCE,
    }
    payload = checkpoint_bytes(model, notes)
    validation = next((row for row in reversed(read_rows(run / "curve.csv")) if SCALE_COLUMNS & row.keys()), {})
    entry: dict[str, Any] = {
        "name": config.name,
        "file": f"{config.name}.safetensors",
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size": len(payload),
        "repo_id": None,  # a new file: training.publish fills in where it put it
        "revision": None,
        "scales": [low, high],
        "lr_kernel": kernel,
        "data": DATA,
        "licence": LICENCE,
        "config": json.loads(config.model.to_json()),
        "training": {
            "steps": state["step"],
            "seconds": round(state["seconds"]),
            "hardware": hardware,
            "started_from": started_from,
        },
        "metrics": {
            "validation_mad": {k: v for k, v in validation.items() if k in SCALE_COLUMNS},
        },
    }
    install(entry, payload, _card(entry, config, sum(p.numel() for p in model.parameters())))
    return entry


def install(entry: dict[str, Any], payload: bytes, card: str) -> None:
    """Put a checkpoint into the package: its file, loaded once to be sure, its card, and its entry in the manifest."""
    CHECKPOINT_FOLDER.mkdir(exist_ok=True)
    target = CHECKPOINT_FOLDER / entry["file"]
    write_atomically(target, payload)
    load_checkpoint(target)
    write_atomically(target.with_suffix(".md"), card.encode())
    manifest = json.loads(manifest_path().read_text(encoding="utf-8"))
    others = [other for other in manifest["checkpoints"] if other["name"] != entry["name"]]
    manifest["checkpoints"] = sorted([*others, entry], key=lambda e: str(e["name"]))
    write_atomically(manifest_path(), (json.dumps(manifest, indent=2) + "\n").encode())


def lr_in_words(data: DataConfig) -> str:
    """Kernels and sensors that made LR depth, with their shares of the batches."""
    total = sum(data.kernel_weights)
    clean = 1 - data.sensor_share
    kernels = [name.lower().replace(" ", "-") for name in LR_KERNELS]
    shares = {name: clean * weight / total for name, weight in zip(kernels, data.kernel_weights, strict=True)}
    shares |= {name.replace("_", "-"): data.sensor_share / len(SENSORS) for name in SENSORS}
    used = {name: share for name, share in shares.items() if share > 0}
    return next(iter(used)) if len(used) == 1 else ", ".join(f"{name} {share:.0%}" for name, share in used.items())


def _patches_in_words(data: DataConfig) -> str:
    fine, coarse = (
        f"{patches_per_step(data, side)} patches of {side} x {side}" for side in (data.patch, data.patch_coarse)
    )
    if max(data.scales) <= FINE_SCALE:
        return fine
    return coarse if min(data.scales) > FINE_SCALE else f"{fine} (beyond x{FINE_SCALE}: {coarse})"


def _card(entry: dict[str, Any], config: RunConfig, parameters: int) -> str:
    low, high = entry["scales"]
    return CARD.format(
        **entry,
        scales_in_words=f"{low:g} to {high:g} in one file" if low < high else f"{low:g}",
        parameters=parameters,
        kernel=entry["lr_kernel"],
        integer=config.data.integer_share,
        steps=entry["training"]["steps"],
        patches=_patches_in_words(config.data),
        started=f", from {entry['training']['started_from']}" if entry["training"]["started_from"] else "",
        hours=entry["training"]["seconds"] / 3600,
        hardware=entry["training"]["hardware"],
        validation=", ".join(f"{k} {v:.3f}" for k, v in entry["metrics"]["validation_mad"].items()) or "none",
    )


def main() -> None:
    """Command line of the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder with last.pt and curve.csv")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--started-from", help="in words, for the card")
    parser.add_argument("--hardware", default=f"{os.cpu_count()} cores of {platform.machine()}")
    arguments = parser.parse_args()
    entry = release(arguments.run, load_config(arguments.config), arguments.hardware, arguments.started_from)
    print(json.dumps(entry, indent=2))


if __name__ == "__main__":
    main()
