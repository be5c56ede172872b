"""Train variants briefly and compare them: `python -m benchmarks.ablation.study benchmarks/ablation/paper.toml`.

A study names a base configuration, seeds and variants; a variant changes fields of the base. Each runs by the ordinary
training (resumed, and not repeated if it is there already), then is scored at x8 on the validation scenes and on
Middlebury 2005. Choices are made on the former, by the score that decides on releases; the latter is reported.

A study with `seconds` gives every variant as long, however many steps that is: three quarters at the full rates, then a
third of the steps so far with falling rates.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.accuracy.quality import score_scale
from benchmarks.accuracy.trials import published
from benchmarks.command import command_line
from benchmarks.report import text_table, write_json
from bridgenet_infer import DepthUpsampler
from bridgenet_infer.graph import build_bridgenet
from bridgenet_infer.graph.bridges import ContentGuidanceBridge, HighFrequencyAttentionBridge
from bridgenet_infer.weights import Checkpoint
from datasets.folder import existing_data_folder
from datasets.scenes import middlebury2005
from training.config import RunConfig, make_config, read_toml
from training.curves import read_rows
from training.train import Run, train
from training.validation import load_scenes, validate, validate_sensed

SCALE = 8
ENDLESS = 10**9  # steps


def main() -> None:
    """Command line of the studies."""
    parser = command_line(__doc__, "studies")
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the study's own")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="these variants")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    study = read_toml(options.study)
    base = read_toml(options.study.parent / study["base"])
    seeds, folder = options.seeds or study["seeds"], options.out / options.study.stem
    figures: dict[str, Any] = {}
    for name in options.only or study["variants"]:
        changes = study["variants"][name]
        figures[name] = [
            run_variant(
                name,
                base,
                changes,
                seed,
                folder / f"{name}-{seed}",
                torch.device(options.device),
                seconds=study.get("seconds", 0.0),
            )
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
    *,
    seconds: float = 0.0,
) -> dict[str, float]:
    """Train (or finish) one variant and score it.

    Parameters
    ----------
    changes
        Sections "model", "data", "optim" that replace fields of `base`; "bridges" = "default" starts the bridges
        as PyTorch would; "start_from" names weights to begin with.
    seconds
        That it may train, instead of the configuration's steps.
    """
    fields = {**base, "seed": seed}
    for section in ("model", "data", "optim"):
        fields[section] = {**base.get(section, {}), **changes.get(section, {})}
    start = changes.get("start_from", base.get("start_from"))
    config = make_config(name, {key: value for key, value in fields.items() if key != "start_from"})
    if changes.get("bridges") == "default":
        start = save_default_bridges(config, folder)
    weights = Path(start) if start else None
    if seconds:
        run = train_for(seconds, config, folder, device, weights, pools)
    else:
        run = train(config, folder, device, weights, pools=pools)
    return {**score(run, device), "steps": run.step, "seconds": run.seconds}


def train_for(
    seconds: float, config: RunConfig, folder: Path, device: torch.device, start: Path | None, pools: Path
) -> Run:
    """Train for so long (or finish), a quarter of all steps with falling rates at the end."""
    config = replace(config, optim=replace(config.optim, steps=ENDLESS, decay=0))
    curve = folder / "curve.csv"
    rows = read_rows(curve)
    left = 0.75 * seconds - (rows[-1]["seconds"] if rows else 0.0)
    if left > 0 and not (folder / "decay" / "last.pt").exists():
        train(config, folder, device, start, pools=pools, seconds=left)
    steps = int(read_rows(curve)[-1]["step"])
    return train(config, folder, device, pools=pools, decay=max(steps // 3, 1))


def score(run: Run, device: torch.device) -> dict[str, float]:
    """Of a run's moving average: the release's score and MAD on the validation scenes, and MAD on Middlebury 2005."""
    scenes = load_scenes(existing_data_folder() / "val")
    trials = [published(scene, SCALE) for scene in middlebury2005()]
    scores, _ = score_scale({"run": DepthUpsampler(Checkpoint(run.ema), device=device)}, trials, SCALE)
    sensed = {"sensed": validate_sensed(run.ema, scenes, SCALE, device)} if run.config.data.sensor_share > 0 else {}
    validation = validate(run.ema, scenes, (SCALE,), device)
    return {
        **sensed,
        "score": validation[f"score_x{SCALE}"],
        "validation": validation[f"x{SCALE}"],
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
    scores = ("score", "validation", "sensed", "middlebury2005")
    columns = [name for name in scores if all(name in runs[0] for runs in figures.values())]
    rows = []
    for name, runs in figures.items():
        cells = [name]
        for column in columns:
            values = [run[column] for run in runs]
            cells += [f"{np.mean(values):.3f}", f"{max(values) - min(values):.3f}"]
        rows.append([*cells, *(f"{np.mean([run[key] for run in runs]):.0f}" for key in ("steps", "seconds"))])
    header = [cell for column in columns for cell in (column, "spread")]
    return text_table([f"x{SCALE}", *header, "steps", "seconds"], rows)


if __name__ == "__main__":
    main()
