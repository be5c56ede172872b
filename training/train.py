"""Train a BridgeNet: `python -m training.train --config training/configs/NAME.toml`, on the CPU or one CUDA GPU.

A run lives in `out/runs/NAME/`: `last.pt` (resumed from by itself after a kill), `curve.csv`, `curve.png`. Its rates
stay high, so that it can always go on. For a release `--decay STEPS` ends a copy of it in `out/runs/NAME/decay/`, whose
rates fall to zero.
"""

import argparse
import copy
import io
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridgenet_infer.backends.per_scale import network_for
from bridgenet_infer.files import remove_leftovers, write_atomically
from bridgenet_infer.graph import BridgeNet, BridgeNetConfig, build_bridgenet
from bridgenet_infer.pipeline.normalise import denormalise
from bridgenet_infer.weights import load_checkpoint
from datasets.folder import data_folder
from training.config import OptimConfig, RunConfig, load_config
from training.curves import append_row, keep_rows, plot_curve
from training.lineage import Stage, current_commit, weights_sha256
from training.muon import Muon, owned_by_muon
from training.pool import Pool, list_scenes, load_or_build_pool, plans_of, scenes_sha256
from training.sampler import Batch, draw, make_batch
from training.validation import load_scenes, validate, validate_sensed

DIVERGED = 2.0  # times bicubic's error; training begins at 1
LEAST_ERROR = 1e-4  # of the range: losses are shares of bicubic's error, which can be 0


GATES = ("squeeze", "excite", "spatial_attention")  # names of modules whose sigmoid multiplies features


def rate_factor(config: OptimConfig, step: int) -> float:
    """Share of the peak rates at step `step`: a linear warm-up, 1, and a linear fall to zero at the end."""
    rise = (step + 1) / max(config.warmup, 1)
    fall = (config.steps - step) / config.decay if config.decay else 1.0
    return max(min(1.0, rise, fall), 0.0)


def make_optimisers(model: BridgeNet, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """Muon and AdamW, or the paper's two Adams: DSRNet with HABdg, and MDENet with CGBdg."""
    named = dict(model.named_parameters())
    if config.two_optimisers:
        mde = [p for n, p in named.items() if n.startswith(("mde.", "content_bridges."))]
        dsr = [p for n, p in named.items() if not n.startswith(("mde.", "content_bridges."))]
        return [
            torch.optim.Adam(group, lr=config.learning_rate, betas=config.betas, eps=1e-8)
            for group in (dsr, mde)
            if group
        ]
    wide = owned_by_muon(model)
    gates = {name for name in named if any(part in name for part in GATES)}
    rest = [p for n, p in named.items() if n not in wide | gates]
    groups: list[dict[str, Any]] = [
        {"params": rest},
        {"params": [named[n] for n in sorted(gates)], "lr": config.gate_rate},
    ]
    adam = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay)
    if not wide:
        return [adam]
    kernels = [named[name] for name in sorted(wide)]
    return [adam, Muon(kernels, lr=config.muon_rate, weight_decay=config.muon_decay)]


def losses(model: BridgeNet, batch: Batch, config: OptimConfig, step: int, parts: int) -> tuple[Tensor, Tensor]:
    """L1 of D_SR (equation 1), as a share of bicubic's in each part, and of D_DE (equation 2; 0 in steps without it).

    Filled areas count less; errors are in ranges of the image, or of the neighbourhood where that is wider.
    """
    falling = config.decay > 0 and step >= config.steps - config.decay
    half = config.half_precision and batch.rgb.is_cuda and not falling
    estimate = model.config.mde and config.mde_weight > 0 and step % config.mde_every == 0
    with torch.autocast(batch.rgb.device.type, torch.bfloat16, enabled=half):
        residual, d_de, _ = model(batch.rgb, batch.depth_input(model.config.validity_input), estimate)
    unit = torch.maximum(batch.extent, batch.reach)
    error = (denormalise(residual, batch.d_up, batch.reach) - batch.truth) / unit
    error = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=config.huber)
    bicubic = (batch.d_up - batch.truth).abs() / unit
    ours, theirs, total = (
        (x * batch.weight).view(parts, -1).sum(1) for x in (error, bicubic, torch.ones_like(bicubic))
    )
    loss_dsr = (ours / (theirs + LEAST_ERROR * total)).mean()
    if d_de is None:
        return loss_dsr, torch.zeros_like(loss_dsr)
    return loss_dsr, ((d_de.float() - batch.mde_truth).abs() * batch.weight).sum() / batch.weight.sum()


class Run:
    """State of one training run: model, its moving average, optimisers and the step counter."""

    def __init__(self, config: RunConfig, pools: Sequence[Pool], device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.pools, self.device = config, pools, device
        self.model = build_bridgenet(config.model).to(device)
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        self.optimisers = make_optimisers(self.model, config.optim)
        self.peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.optimisers]
        self.step = 0
        self.seconds = 0.0  # since this stage began
        self.lineage: list[Stage] = []  # before this stage
        self.stage = Stage(config.name, config.seed, 0, 0)

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One step; the losses stay on the device (no host synchronisation)."""
        config = self.config
        batch = make_batch(config.data, self.pools, draw(config.data, self.pools, config.seed, self.step))
        loss_dsr, loss_mde = losses(self.model, batch, config.optim, self.step, config.data.parts)
        factor = rate_factor(config.optim, self.step)
        for optimiser, peaks in zip(self.optimisers, self.peaks, strict=True):
            optimiser.zero_grad(set_to_none=True)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = factor * peak
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

    @property
    def stages(self) -> list[Stage]:
        """The whole lineage, up to this step."""
        name, seed, decay = self.config.name, self.config.seed, self.config.optim.decay
        now = replace(self.stage, config=name, seed=seed, last=self.step, decay=decay, seconds=self.seconds)
        return [*self.lineage, now]

    def fall(self, steps: int) -> None:
        """Let the rates fall to zero over the next `steps` steps, and end there."""
        self.lineage, self.seconds = self.stages, 0.0
        self.stage = replace(self.stage, first=self.step, start=None)
        self.config = replace(
            self.config, optim=replace(self.config.optim, steps=self.step + steps, decay=steps, warmup=0)
        )

    def save(self, path: Path) -> None:
        """Write the whole state atomically."""
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
            "model_config": self.config.model.to_json(),
            "lineage": [asdict(stage) for stage in self.stages],
            "schedule": {name: getattr(self.config.optim, name) for name in ("steps", "decay", "warmup")},
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(path, buffer.getvalue())

    def start_from(self, path: Path) -> None:
        """Begin with the weights of a checkpoint, or the moving average of another run, whose lineage goes on here."""
        if path.suffix == ".safetensors":
            weights = weights_for(self.config, path)
        else:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            weights = state["ema"]
            self.lineage = [Stage(**fields) for fields in state.get("lineage", [])]
        self.start(weights)
        self.stage = replace(self.stage, start=weights_sha256(weights))

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
        *self.lineage, self.stage = (Stage(**fields) for fields in state["lineage"])
        self.config = replace(self.config, optim=replace(self.config.optim, **state["schedule"]))


def weights_for(config: RunConfig, checkpoint: Path) -> dict[str, Tensor]:
    """Of the network in a checkpoint that a run of `config` starts from; OSError as `load_checkpoint`.

    Without the head for the expected error, which is trained anew after all else.
    """
    network = network_for(load_checkpoint(checkpoint)[0], config.network_scale or config.data.scales[0])
    return {name: x for name, x in network.state_dict().items() if "error_head" not in name}


def train(
    config: RunConfig,
    folder: Path,
    device: torch.device,
    start_from: Path | None = None,
    stop_at: int = 2**62,
    pools: Path = Path("out", "pools"),
    *,
    seconds: float = math.inf,
    decay: int = 0,
) -> Run:
    """Train until step `stop_at` or for so many seconds.

    From `folder/last.pt` if it exists, else from the weights of `start_from`. With `decay`, a copy of the run in
    `folder/decay` goes on for that many steps with falling rates.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
    real, workers = data_folder() / "train", os.cpu_count() or 1
    images = [load_or_build_pool(pools, plan, real, workers).to(device) for plan in plans_of(config.data)]
    run = Run(config, images, device)
    source = folder / "last.pt"
    folder = folder / "decay" if decay else folder
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    last, curve = folder / "last.pt", folder / "curve.csv"
    if decay and _is_of_another(last, source, decay):
        last.unlink()
    if last.exists():
        run.load(last)
    elif decay:
        run.load(source)
        run.fall(decay)
    elif start_from is not None:
        run.start_from(start_from)
    scenes, threads = scenes_sha256(list_scenes(real)), torch.get_num_threads()
    run.stage = replace(run.stage, scenes=scenes, code=current_commit(), threads=threads)
    keep_rows(curve, run.step)  # a row may have been written just before a kill, its checkpoint not
    _train_on(run, last, curve, stop_at, time.perf_counter() + seconds)
    plot_curve(curve, folder / "curve.png")
    return run


def _is_of_another(copy: Path, source: Path, decay: int) -> bool:
    """Whether a copy with falling rates is there that began elsewhere than where the run is now, or falls otherwise."""
    if not copy.exists():
        return False
    theirs, ours = (torch.load(path, map_location="cpu", weights_only=True) for path in (copy, source))
    stage = theirs["lineage"][-1]
    return bool((stage["first"], stage["decay"]) != (ours["step"], decay))


def _train_on(run: Run, last: Path, curve: Path, stop_at: int, deadline: float) -> None:
    config, device = run.config, run.device
    scenes, every = load_scenes(data_folder() / "val"), config.optim.mde_every
    end = min(stop_at, config.optim.steps)
    sums, since, began = torch.zeros(2, device=device), run.step, time.perf_counter()
    while run.step < end and time.perf_counter() < deadline:
        sums += torch.stack(run.train_step())
        ended = run.step == end or time.perf_counter() >= deadline
        if run.step % config.checkpoint_every == 0 or ended:
            loss_dsr, loss_mde = (sums / (run.step - since)).tolist()
            if not math.isfinite(loss_dsr + loss_mde) or loss_dsr > DIVERGED:
                raise FloatingPointError(
                    f"diverged: the loss is {loss_dsr:.3g} at step {run.step}; {last} is from before: lower the rates"
                )
            run.seconds += time.perf_counter() - began
            row = {"step": run.step, "seconds": run.seconds, "loss_dsr": loss_dsr, "loss_mde": loss_mde * every}
            if scenes and (run.step % config.validate_every == 0 or run.step == config.optim.steps):
                row |= validate(run.ema, scenes, config.validation_scales, device)
                if config.data.sensor_share > 0:
                    row["sensed_x8"] = validate_sensed(run.ema, scenes, 8, device)
            append_row(curve, row)
            run.save(last)
            print("  ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
            sums, since, began = torch.zeros(2, device=device), run.step, time.perf_counter()


def main() -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="run folder (default: out/runs/NAME)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--start-from", type=Path, help="last.pt of another run, or a .safetensors")
    parser.add_argument("--pools", type=Path, default=Path("out", "pools"), help="where sample pools are kept")
    parser.add_argument("--stop-at", type=int, default=2**62, help="pause after this step")
    parser.add_argument("--seconds", type=float, default=math.inf, help="pause after this time")
    parser.add_argument("--decay", type=int, default=0, metavar="STEPS", help="end a copy of the run")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    folder = arguments.out or Path("out/runs") / config.name
    try:
        train(
            config,
            folder,
            torch.device(arguments.device),
            arguments.start_from,
            arguments.stop_at,
            arguments.pools,
            seconds=arguments.seconds,
            decay=arguments.decay,
        )
    except OSError as error:  # a full disk: run again when there is room
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
