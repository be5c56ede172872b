"""Train a BridgeNet: `python -m training.train --config training/configs/NAME.toml`, on the CPU or one CUDA GPU.

A run lives in `out/runs/NAME/`: `last.pt` (resumed from by itself after a kill), `curve.csv`, `curve.png`.
"""

from __future__ import annotations

import argparse
import copy
import io
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridgenet_infer.graph import BridgeNet, BridgeNetConfig, build_bridgenet
from bridgenet_infer.weights import load_checkpoint
from bridgenet_infer.write import remove_leftovers, write_atomically
from training.config import OptimConfig, RunConfig, load_config
from training.curves import append_row, keep_rows, plot_curve
from training.pool import Pool, load_or_build_pool, plan_of
from training.sampler import ORIGIN_GRID, Batch, draw, make_batch
from training.validation import load_scenes, validate, validate_sensed


def data_folder() -> Path:
    """Root of the real data: BRIDGENET_DATA, else ../shared/data beside the repository."""
    return Path(os.environ.get("BRIDGENET_DATA", Path(__file__).parents[2] / "shared" / "data"))


def learning_rate(config: OptimConfig, step: int) -> float:
    """Rate of step `step`: linear warm-up, then a cosine to zero or the paper's step decay."""
    peak = config.learning_rate * min(1.0, (step + 1) / max(config.warmup, 1))
    if config.schedule == "steps":
        return peak * float(0.1 ** (step // config.decay_every))
    if config.schedule != "one_cycle":
        raise ValueError(f"schedule must be 'one_cycle' or 'steps', got {config.schedule!r}")
    return peak * 0.5 * (1 + math.cos(math.pi * min(step / config.steps, 1.0)))


def make_optimisers(model: BridgeNet, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """One AdamW, or the paper's two Adams: DSRNet with HABdg, and MDENet with CGBdg."""
    if not config.two_optimisers:
        return [torch.optim.AdamW(model.parameters(), betas=config.betas, weight_decay=config.weight_decay)]
    mde = [p for n, p in model.named_parameters() if n.startswith(("mde.", "content_bridges."))]
    dsr = [p for n, p in model.named_parameters() if not n.startswith(("mde.", "content_bridges."))]
    return [torch.optim.Adam(group, betas=config.betas, eps=1e-8) for group in (dsr, mde) if group]


def losses(model: BridgeNet, batch: Batch, config: OptimConfig, step: int) -> tuple[Tensor, Tensor]:
    """Hole-weighted L1 of D_SR (equation 1) and D_DE (equation 2; 0 in steps without it)."""
    half = config.half_precision and batch.rgb.is_cuda
    estimate = model.config.mde and config.mde_weight > 0 and step % config.mde_every == 0
    with torch.autocast(batch.rgb.device.type, torch.bfloat16, enabled=half):
        d_sr, d_de = model(batch.rgb, batch.depth_input(model.config.validity_input), estimate)
    total = batch.weight.sum()
    error = F.smooth_l1_loss(d_sr, batch.truth, reduction="none", beta=config.huber)
    loss_dsr = (error * batch.weight).sum() / total
    if d_de is None:
        return loss_dsr, torch.zeros_like(loss_dsr)
    return loss_dsr, ((d_de.float() - batch.mde_truth).abs() * batch.weight).sum() / total


class Run:
    """State of one training run: model, its moving average, optimisers and the step counter."""

    def __init__(self, config: RunConfig, pool: Pool, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.pool, self.device = config, pool, device
        self.model = build_bridgenet(config.model).to(device)
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        self.optimisers = make_optimisers(self.model, config.optim)
        self.step = 0
        self.seconds = 0.0
        self.real = pool.real.cpu()
        self.grid_cells = (pool.rgb.shape[-1] - min(config.data.patch, config.data.patch_coarse)) // ORIGIN_GRID + 1

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One step; the losses stay on the device (no host synchronisation)."""
        config = self.config
        draws = draw(config.data, self.real, self.grid_cells, config.seed, self.step)
        batch = make_batch(config.data, self.pool, draws)
        loss_dsr, loss_mde = losses(self.model, batch, config.optim, self.step)
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config.optim, self.step)
        (loss_dsr + config.optim.mde_weight * loss_mde).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), config.optim.clip_norm)
        for optimiser in self.optimisers:
            optimiser.step()
        self._update_ema()
        self.step += 1
        return loss_dsr.detach(), loss_mde.detach()

    def _update_ema(self) -> None:
        decay = min(self.config.optim.ema, (1 + self.step) / (10 + self.step))
        average = [p.data for p in self.ema.parameters()]
        torch._foreach_lerp_(average, [p.data for p in self.model.parameters()], 1 - decay)

    def save(self, path: Path) -> None:
        """Write the whole state atomically."""
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
            "model_config": self.config.model.to_json(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(path, buffer.getvalue())

    def start(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with `weights` of a graph with more or fewer residual blocks (new ones start untrained).

        Where they do not know the validity channel, it starts without effect.
        """
        own = self.model.state_dict()
        taken = {name: tensor for name, tensor in weights.items() if name in own}
        entry = taken["dsr.entry_conv.weight"]
        missing = own["dsr.entry_conv.weight"].shape[1] - entry.shape[1]
        taken["dsr.entry_conv.weight"] = F.pad(entry, (0, 0, 0, 0, 0, missing))
        left_out, new = len(weights) - len(taken), len(own) - len(taken)
        print(f"started from {len(taken)} tensors; {left_out} left out, {new} new", flush=True)
        for model in (self.model, self.ema):
            model.load_state_dict(own | taken)

    def load(self, path: Path) -> None:
        """Continue exactly where `save` left off."""
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if BridgeNetConfig.from_json(state["model_config"]) != self.config.model:
            raise ValueError(f"{path} holds another model: {state['model_config']}")
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]


def train(
    config: RunConfig,
    folder: Path,
    device: torch.device,
    start_from: Path | None = None,
    stop_at: int = 2**62,
    pools: Path = Path("out", "pools"),
) -> Run:
    """Train until step `stop_at`, from `folder/last.pt` if it exists, else from the weights of `start_from`."""
    data = config.data
    real = data_folder() / "train"
    pool = load_or_build_pool(pools, plan_of(data), real, workers=os.cpu_count() or 1)
    run = Run(config, pool.to(device), device)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    last, curve = folder / "last.pt", folder / "curve.csv"
    if last.exists():
        run.load(last)
    elif start_from is not None:
        if start_from.suffix == ".safetensors":
            weights = load_checkpoint(start_from)[0].state_dict()
        else:
            weights = torch.load(start_from, map_location=device, weights_only=True)["ema"]
        run.start(weights)
    keep_rows(curve, run.step)  # a row may have been written just before a kill, its checkpoint not
    scenes, every = load_scenes(data_folder() / "val"), config.optim.mde_every
    sums, since, began = torch.zeros(2, device=device), run.step, time.perf_counter()
    while run.step < min(stop_at, config.optim.steps):
        sums += torch.stack(run.train_step())
        if run.step % config.checkpoint_every == 0 or run.step == stop_at:
            loss_dsr, loss_mde = (sums / (run.step - since)).tolist()
            run.seconds += time.perf_counter() - began
            row = {"step": run.step, "seconds": run.seconds, "loss_dsr": loss_dsr, "loss_mde": loss_mde * every}
            if scenes and (run.step % config.validate_every == 0 or run.step == config.optim.steps):
                row |= validate(run.ema, scenes, config.validation_scales, device)
                if data.sensor_share > 0:
                    row["sensed_x8"] = validate_sensed(run.ema, scenes, 8, device)
            append_row(curve, row)
            run.save(last)
            print("  ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
            sums, since, began = torch.zeros(2, device=device), run.step, time.perf_counter()
    plot_curve(curve, folder / "curve.png")
    return run


def main() -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="run folder (default: out/runs/NAME)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--start-from", type=Path, help="last.pt of another run, or a .safetensors")
    parser.add_argument("--pools", type=Path, default=Path("out", "pools"), help="where sample pools are kept")
    parser.add_argument("--stop-at", type=int, default=2**62, help="pause after this step; the schedule is unchanged")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    folder = arguments.out or Path("out/runs") / config.name
    device = torch.device(arguments.device)
    try:
        train(config, folder, device, arguments.start_from, arguments.stop_at, arguments.pools)
    except OSError as error:  # a full disk: run again when there is room
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
