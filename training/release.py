"""Turn a run into a shippable checkpoint: safetensors, manifest entry and model card.

`python -m training.release --state out/runs/NAME/decay/last.pt --config training/configs/NAME.toml`. Several states
and configurations, in one order, make one checkpoint with a network for each scale: `--name default`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bridgenet_infer.backends.per_scale import Network, NetworkPerScale
from bridgenet_infer.files import write_atomically
from bridgenet_infer.graph import BridgeNet, build_bridgenet
from bridgenet_infer.weights import CHECKPOINT_FOLDER, checkpoint_bytes, load_checkpoint, manifest_path
from datasets.folder import data_folder
from simulation.degrade import LR_KERNELS
from simulation.sensors import SENSORS
from training.config import DataConfig, RunConfig, load_config
from training.lineage import Lineage, Stage, total_seconds
from training.validation import load_scenes, validate, validate_sensed

DATA = "procedural scenes of this project; Middlebury 2001, 2003, 2006 and 2014 (training views)"
LICENCE = "Apache-2.0"

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
| training{timed} | {hours:.2f} h on {hardware} |
{stages}
| graph | `{config}` |

Validation (Middlebury scenes kept apart; mean absolute difference in grey levels of 0..255, and the score, its share of
bicubic's): {validation}.

Not for sparse LiDAR, and not for depth that is not registered to the image. Middlebury asks users of its data to cite
Scharstein and Szeliski 2002 and 2003, Scharstein and Pal 2007, Hirschmueller and Scharstein 2007, and Scharstein et al.
2014.
"""


LEAST_GUIDANCE = 1.01  # times the error with RGB


@dataclass(frozen=True)
class Trained:
    """One run that has ended: its state (or the part of it that `training.together` leaves) and its configuration."""

    state: dict[str, Any]
    config: RunConfig

    @classmethod
    def read(cls, path: Path, config: Path) -> Trained:
        """OSError if there is no such file, ValueError if the state is of another configuration."""
        trained = cls(torch.load(path, map_location="cpu", weights_only=True), load_config(config))
        last = trained.lineage[-1].config
        if last != trained.config.name or trained.state["model_config"] != trained.config.model.to_json():
            raise ValueError(f"{path} is a state of {last!r}, not of {config}")
        return trained

    @property
    def lineage(self) -> Lineage:
        """All stages up to this one."""
        return tuple(Stage(**fields) for fields in self.state["lineage"])

    def model(self) -> BridgeNet:
        """The moving average of its weights."""
        model = build_bridgenet(self.config.model)
        model.load_state_dict(self.state["ema"])
        return model.eval()


def release(
    name: str, runs: Sequence[Trained], hardware: str, figures: dict[str, float] | None = None
) -> dict[str, Any]:
    """Make checkpoint, card and manifest entry of one run, or of several for a scale each, and install them.

    Parameters
    ----------
    runs
        Of several, each has a `network_scale`.
    hardware
        In words, for card and manifest.
    figures
        Of `validate_network`, where they are known.

    Raises
    ------
    OSError
        If something cannot be written.
    ValueError
        If several graphs differ, or one of several has no `network_scale`.
    RuntimeError
        If a network ignores RGB, see `ignores_rgb`.
    """
    model, payload = make_checkpoint(runs)
    scales = _scales(runs)
    figures = validate_network(model, [run.config for run in runs]) if figures is None else figures
    for run in runs:
        if ignores_rgb(figures, run.config.validation_scales):
            raise RuntimeError(f"the network of {run.config.name} would do as well without RGB: {figures}")
    seconds, known = total_seconds(run.lineage for run in runs)
    entry: dict[str, Any] = {
        "name": name,
        "file": f"{name}.safetensors",
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size": len(payload),
        "repo_id": None,  # a new file: training.publish fills in where it put it
        "revision": None,
        "scales": [min(scales), max(scales)],
        "lr_kernel": _kernels(runs),
        "data": DATA,
        "licence": LICENCE,
        "config": json.loads(model.config.to_json()),
        "training": {
            "seconds": round(seconds),
            "hardware": hardware,
            "lineages": [[asdict(stage) for stage in run.lineage] for run in runs],
        },
        "metrics": {"validation": figures},
    }
    install(entry, payload, _card(entry, runs, sum(p.numel() for p in model.parameters()), known))
    return entry


def make_checkpoint(runs: Sequence[Trained]) -> tuple[BridgeNet | NetworkPerScale, bytes]:
    """The network of one run, or of several for a scale each, and the file that holds it; ValueError as `release`."""
    single = len(runs) == 1
    model = runs[0].model() if single else NetworkPerScale({_network_scale(run): run.model() for run in runs})
    scales = _scales(runs)
    notes = {"scales": f"{min(scales):g}-{max(scales):g}", "lr_kernel": _kernels(runs), "licence": LICENCE}
    return model, checkpoint_bytes(model, notes)


def _scales(runs: Sequence[Trained]) -> list[float]:
    return [scale for run in runs for scale in run.config.data.scales]


def _kernels(runs: Sequence[Trained]) -> str:
    return "; ".join(dict.fromkeys(lr_in_words(run.config.data) for run in runs))


def _network_scale(run: Trained) -> float:
    if run.config.network_scale is None:
        raise ValueError(f"{run.config.name} has no network_scale: it cannot be one of several")
    return float(run.config.network_scale)


def validate_network(model: Network, configs: Sequence[RunConfig]) -> dict[str, float]:
    """Errors of a checkpoint on the validation scenes, as its manifest entry has them; empty where these are absent."""
    scenes, device = load_scenes(data_folder() / "val"), torch.device("cpu")
    if not scenes:
        return {}
    scales = tuple(sorted({scale for config in configs for scale in config.validation_scales}))
    figures = validate(model, scenes, scales, device)
    if configs[0].data.sensor_share > 0:
        figures["sensed_x8"] = validate_sensed(model, scenes, 8, device)
    return {name: round(value, 5) for name, value in figures.items()}


def ignores_rgb(figures: dict[str, float], scales: Sequence[int]) -> bool:
    """Whether the error grows by less than 1 % without RGB at every one of the scales, by the figures of `validate`."""
    pairs = [(figures.get(f"score_x{scale}", 0.0), figures.get(f"unguided_x{scale}", 1.0)) for scale in scales]
    return all(unguided < LEAST_GUIDANCE * score for score, unguided in pairs)


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


def lineage_in_words(stages: Sequence[Stage]) -> str:
    """Every stage with its configuration, seed and steps."""
    words = []
    for stage in stages:
        ending = ", its rates falling to zero" if stage.decay else ""
        start = f" (from weights of sha256 {stage.start[:12]})" if stage.start else ""
        head = "the head for the expected error by " if stage.error_head else ""
        words.append(f"{head}{stage.config}.toml{start}, seed {stage.seed}: {stage.first:,} to {stage.last:,}{ending}")
    return "; ".join(words)


def _card(entry: dict[str, Any], runs: Sequence[Trained], parameters: int, all_timed: bool) -> str:
    low, high = entry["scales"]
    return CARD.format(
        **entry,
        scales_in_words=f"{low:g} to {high:g} in one file" if low < high else f"{low:g}",
        parameters=parameters,
        kernel=entry["lr_kernel"],
        integer=runs[0].config.data.integer_share,
        stages="\n".join(map(_stages_in_words, runs)),
        timed="" if all_timed else ", stages whose time was kept",
        hours=entry["training"]["seconds"] / 3600,
        hardware=entry["training"]["hardware"],
        validation=", ".join(f"{k} {v:.3f}" for k, v in entry["metrics"]["validation"].items()) or "none",
    )


def _stages_in_words(run: Trained) -> str:
    data, scale = run.config.data, run.config.network_scale
    patches = f"{data.batch} patches of {data.patch} x {data.patch} a step at the end"
    label = "lineage" if scale is None else f"lineage of x{scale:g}"
    return f"| {label} | {lineage_in_words(run.lineage)}; {patches} |"


def main() -> None:
    """Command line of the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, nargs="+", required=True, help="last.pt of runs that have ended")
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="theirs, in the same order")
    parser.add_argument("--name", help="of the checkpoint (default: the configuration's)")
    parser.add_argument("--hardware", default=f"{os.cpu_count()} cores of {platform.machine()}")
    arguments = parser.parse_args()
    runs = [Trained.read(*pair) for pair in zip(arguments.state, arguments.config, strict=True)]
    entry = release(arguments.name or runs[0].config.name, runs, arguments.hardware)
    print(json.dumps(entry, indent=2))


if __name__ == "__main__":
    main()
