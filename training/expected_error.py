"""Train the heads for the expected error of released checkpoints, and release these anew.

`python -m training.expected_error default x8`. All else stays as it is, and so does D_SR, bit for bit. The data are
those of the configuration that each network was trained with last, half of them as of a sensor. The frozen graph makes
features of some batches once, and the head is fitted to them by the likelihood of a Laplace distribution.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bridgenet_infer.graph import BridgeNet, build_bridgenet
from bridgenet_infer.graph.dsrnet import RESIDUAL_BOUND, ErrorHead
from bridgenet_infer.pipeline.normalise import denormalise
from bridgenet_infer.weights import CHECKPOINT_FOLDER, manifest_path
from datasets.folder import data_folder
from training.config import DataConfig, RunConfig, load_config
from training.lineage import Stage, current_commit, weights_sha256
from training.pool import Pool, list_scenes, load_or_build_pool, plans_of, scenes_sha256
from training.release import Trained, release
from training.sampler import Batch, draw, make_batch
from training.train import weights_for

CONFIGS = Path(__file__).parent / "configs"
BATCHES, STEPS = 120, 720
RATE, WARMUP = 3e-2, 50  # AdamW's; it falls to zero over the second half
SENSED, PARTS = 0.5, 2  # share of batches as of a sensor, at least; clean and sensed ones meet in one step
LEAST_REACH = 1e-30  # where it is 0 there is no error in its units


@dataclass(frozen=True)
class Sample:
    """One batch as the head sees it: features (B, C, P / 2, P / 2), and (B, 1, P, P) each residual, |error| and weight.

    Errors are in units of the local reach, at most `RESIDUAL_BOUND`.
    """

    features: Tensor
    residual: Tensor
    error: Tensor
    weight: Tensor


def with_head(config: RunConfig) -> RunConfig:
    """The same run, its graph with a head for the expected error."""
    return replace(config, model=replace(config.model, expected_error=True))


def load_pools(data: DataConfig, folder: Path, device: torch.device) -> list[Pool]:
    """Of a configuration, made where they are missing."""
    real, workers = data_folder() / "train", os.cpu_count() or 1
    return [load_or_build_pool(folder, plan, real, workers).to(device) for plan in plans_of(data)]


def train_head(
    config: RunConfig,
    weights: Mapping[str, Tensor],
    lineage: Sequence[Stage],
    pools: Sequence[Pool],
    device: torch.device,
    steps: int,
) -> dict[str, Any]:
    """Give a network a head for the expected error.

    Parameters
    ----------
    config
        Of the network's last training.
    weights
        Of the network without a head; they are rounded as in a file.
    lineage
        Of the weights, which the head's stage goes on.
    steps
        Of the optimiser.

    Returns
    -------
    A state as `training.release.Trained` takes it.
    """
    began, config = time.perf_counter(), with_head(config)
    weights = {name: tensor.half().float() for name, tensor in weights.items()}
    torch.manual_seed(config.seed)
    model = build_bridgenet(config.model)
    model.load_state_dict(model.state_dict() | weights)
    model = model.to(device).eval()
    head = model.dsr.error_head
    assert head is not None
    fit(head, sample(model, config, pools), steps)
    stage = Stage(
        config.name, config.seed, 0, steps, start=weights_sha256(weights), error_head=True,
        seconds=time.perf_counter() - began, scenes=scenes_sha256(list_scenes(data_folder() / "train")),
        code=current_commit(), threads=torch.get_num_threads(),
    )  # fmt: skip
    return {
        "ema": {name: tensor.cpu() for name, tensor in model.state_dict().items()},
        "model_config": config.model.to_json(),
        "lineage": [asdict(each) for each in (*lineage, stage)],
    }


def sample(model: BridgeNet, config: RunConfig, pools: Sequence[Pool]) -> list[Sample]:
    """Run the frozen graph on the batches of a configuration, half of them as of a sensor."""
    data = replace(config.data, sensor_share=max(config.data.sensor_share, SENSED), parts=PARTS)
    samples, seen = [], list[Tensor]()
    handle = model.dsr.error_head.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))  # type: ignore[union-attr]
    with torch.no_grad():
        for step in range(BATCHES):
            batch = make_batch(data, pools, draw(data, pools, config.seed, step))
            model(batch.rgb, batch.depth_input(config.model.validity_input), expect_error=True)
            samples.append(_as_seen(batch, *seen))
            seen.clear()
    handle.remove()
    return samples


def _as_seen(batch: Batch, features: Tensor, residual: Tensor) -> Sample:
    error = (denormalise(residual, batch.d_up, batch.reach) - batch.truth).abs() / batch.reach.clamp(min=LEAST_REACH)
    return Sample(features, residual, error.clamp(max=RESIDUAL_BOUND), batch.weight * (batch.reach > 0))


def fit(head: ErrorHead, samples: Sequence[Sample], steps: int) -> None:
    """Minimise `likelihood_loss` on the samples in turn."""
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE)
    total = 0.0
    for step in range(steps):
        loss = likelihood_loss(head, samples[step % len(samples)])
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / WARMUP, 2 * (steps - step) / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        total += float(loss.detach())
        if (step + 1) % len(samples) == 0:
            print(f"step {step + 1}: loss {total / len(samples):.4f}", flush=True)
            total = 0.0


def likelihood_loss(head: ErrorHead, batch: Sample) -> Tensor:
    """|e| / b + log b, the mean negative log likelihood of Laplace distributions of scale b, less log 2."""
    expected = head(batch.features, batch.residual)
    loss: Tensor = ((batch.error / expected + expected.log()) * batch.weight).sum() / batch.weight.sum()
    return loss


def add_heads(name: str, pools: Path, device: torch.device, configs: Path = CONFIGS) -> dict[str, Any]:
    """Train a head for each network of an installed checkpoint, in place of those it has, and release it anew.

    Returns
    -------
    Its entry in the manifest.

    Raises
    ------
    OSError
        If something cannot be read or written.
    ValueError
        If the manifest does not have it, or tells no lineage of it.
    """
    entries = json.loads(manifest_path().read_text(encoding="utf-8"))["checkpoints"]
    entry: dict[str, Any] = next((each for each in entries if each["name"] == name), {})
    lineages = entry.get("training", {}).get("lineages", [])
    if not lineages:
        raise ValueError(f"the manifest has no lineage of {name}")
    runs = []
    for fields in lineages:
        lineage = [stage for stage in (Stage(**each) for each in fields) if not stage.error_head]
        config = load_config(configs / f"{lineage[-1].config}.toml")
        weights = weights_for(config, CHECKPOINT_FOLDER / entry["file"])
        print(f"{name}: the head of {config.name}", flush=True)
        state = train_head(config, weights, lineage, load_pools(config.data, pools, device), device, STEPS)
        runs.append(Trained(state, with_head(config)))
    return release(name, runs, entry["training"]["hardware"], entry["metrics"]["validation"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="checkpoints of the manifest that have a lineage")
    parser.add_argument("--pools", type=Path, default=Path("out", "pools"), help="where sample pools are kept")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    try:
        for name in options.names:
            print(json.dumps(add_heads(name, options.pools, torch.device(options.device)), indent=2))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
