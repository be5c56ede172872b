"""Variants under one short budget: `python -m benchmarks.study benchmarks/studies/paper.toml [--seeds 1 2]`.

A study names a base configuration, seeds and variants; a variant changes fields of the base. Each runs by the ordinary
training (resumed, and not repeated if it is there already), then is scored at x8 on the validation scenes and on
Middlebury 2005. Choices are made on the former; the latter is reported.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.data import data_folder, middlebury2005
from benchmarks.quality import score_scale
from benchmarks.report import text_table, write_json
from benchmarks.trials import published
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.graph.bridges import ContentGuidanceBridge, HighFrequencyAttentionBridge
from training.config import RunConfig, make_config, read_toml
from training.train import Run, train
from training.validation import load_scenes, validate, validate_sensed

SCALE = 8


def main() -> None:
    """Command line of the studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the study's own")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="these variants")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("out", "studies"))
    options = parser.parse_args()
    study = read_toml(options.study)
    base = read_toml(options.study.parent / study["base"])
    seeds, folder = options.seeds or study["seeds"], options.out / options.study.stem
    figures: dict[str, Any] = {}
    for name in options.only or study["variants"]:
        changes = study["variants"][name]
        figures[name] = [
            run_variant(name, base, changes, seed, folder / f"{name}-{seed}", torch.device(options.device))
            for seed in seeds
        ]
        print(f"{name}: {figures[name]}", flush=True)
    print(format_study(figures))
    write_json(options.out / f"{options.study.stem}.json", {"seeds": seeds, "figures": figures})


def run_variant(
    name: str,
    base: dict[str, Any],
    changes: dict[str, Any],
    seed: int,
    folder: Path,
    device: torch.device,
    pools: Path = Path("out", "pools"),
) -> dict[str, float]:
    """Train (or finish) one variant and score it.

    Parameters
    ----------
    changes
        Sections "model", "data", "optim" that replace fields of `base`; "bridges" = "default" starts the bridges
        as PyTorch would; "start_from" names weights to begin with.
    """
    fields = {**base, "seed": seed}
    for section in ("model", "data", "optim"):
        fields[section] = {**base.get(section, {}), **changes.get(section, {})}
    start = changes.get("start_from", base.get("start_from"))
    config = make_config(name, {key: value for key, value in fields.items() if key != "start_from"})
    if changes.get("bridges") == "default":
        start = save_default_bridges(config, folder)
    run = train(config, folder, device, start and Path(start), pools=pools)
    return {**score(run, device), "steps": run.step, "seconds": run.seconds}


def score(run: Run, device: torch.device) -> dict[str, float]:
    """Mean MAD of a run's moving average."""
    scenes = load_scenes(data_folder() / "val")
    trials = [published(scene, SCALE) for scene in middlebury2005()]
    scores, _ = score_scale({"run": DepthUpsampler(run.ema, device=device)}, trials, SCALE)
    sensed = {"sensed": validate_sensed(run.ema, scenes, SCALE, device)} if run.config.data.sensor_share > 0 else {}
    return {
        **sensed,
        "validation": validate(run.ema, scenes, (SCALE,), device)[f"x{SCALE}"],
        "middlebury2005": float(np.mean(scores["run"]["MAD"])),
    }


def save_default_bridges(config: RunConfig, folder: Path) -> Path:
    """Starting weights whose bridges are initialised as PyTorch initialises any convolution."""
    torch.manual_seed(config.seed)
    model = build_bridgenet(config.model)
    for bridge in model.modules():
        if isinstance(bridge, (HighFrequencyAttentionBridge, ContentGuidanceBridge)):
            for layer in bridge.modules():
                if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                    layer.reset_parameters()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"ema": model.state_dict()}, folder / "start.pt")
    return folder / "start.pt"


def format_study(figures: dict[str, list[dict[str, float]]]) -> str:
    """Mean over the seeds of each variant, and the largest difference between two seeds."""
    scores = ("validation", "sensed", "middlebury2005")
    columns = [name for name in scores if all(name in runs[0] for runs in figures.values())]
    rows = []
    for name, runs in figures.items():
        cells = [name]
        for column in columns:
            values = [run[column] for run in runs]
            cells += [f"{np.mean(values):.3f}", f"{max(values) - min(values):.3f}"]
        rows.append([*cells, f"{np.mean([run['seconds'] for run in runs]):.0f}"])
    header = [cell for column in columns for cell in (column, "spread")]
    return text_table([f"x{SCALE} MAD", *header, "seconds"], rows)


if __name__ == "__main__":
    main()
