"""A tiny random graph and small files, on which campaigns and tests run the commands."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bridgenet_infer.graph import BridgeNet, BridgeNetConfig, build_bridgenet
from bridgenet_infer.weights import checkpoint_bytes
from bridgenet_infer.write import can_hold, write_depth
from testing.ros_world import Frame

TINY = BridgeNetConfig(
    dsr_widths=(4, 6, 8, 12),
    mde_widths=(4, 6, 8, 10, 12),
    pyramid_width=6,
    entry_blocks=1,
    stage_blocks=(1, 1, 1),
    trunk_blocks=2,
    mde_blocks=1,
    attention_reduction=4,
    decoder_skips=True,
)
WORDS = ("activation", "guidance", "normalisation")  # fields that TOML would want in quotes
TRAINING = """
seed = 5
checkpoint_every = 4
validate_every = 1000
[model]
{model}
[data]
scales = [4, 8, 16]
batch = 2
patch = 32
pool_size = 64
procedural = 6
real_share = 0.0
[optim]
steps = 20
warmup = 2
two_optimisers = {two}
"""


def randomise(model: BridgeNet, seed: int = 0) -> BridgeNet:
    """Give every parameter a small random value, so that no zero-started branch hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tiny_model(seed: int = 0) -> BridgeNet:
    """The graph of `TINY`, the same whatever ran before."""
    torch.manual_seed(seed)
    return randomise(build_bridgenet(TINY), seed)


def write_tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    """The graph as a checkpoint; returns `path`."""
    path.write_bytes(checkpoint_bytes(tiny_model(seed), {"lr_kernel": "none"}))
    return path


def write_pair(rgb: Path, depth: Path, seed: int) -> None:
    """An RGB image of 48 x 64 pixels and its LR depth of 6 x 8 with one hole, in millimetres."""
    rng = np.random.default_rng(seed)
    lr = rng.integers(500, 4000, (6, 8)).astype(np.uint16)
    lr[2, 3] = 0
    colour = rng.integers(0, 256, (48, 64, 3), np.uint8)
    if rgb.suffix in (".npy", ".npz"):
        np.save(rgb, colour) if rgb.suffix == ".npy" else np.savez(rgb, rgb=colour)
    else:
        Image.fromarray(colour).save(rgb)
    write_depth(depth, lr if can_hold(depth.suffix, lr.dtype) else lr.astype(np.float32))


def random_frames(stamps: Sequence[int], rgb_size: tuple[int, int] = (48, 64)) -> list[Frame]:
    """RGB images, and LR depth of 12 x 16 in millimetres, at stamps in nanoseconds."""
    rng = np.random.default_rng(0)
    return [
        Frame(
            rng.integers(0, 256, (*rgb_size, 3), np.uint8), rng.integers(500, 4000, (12, 16)).astype(np.uint16), at, at
        )
        for at in stamps
    ]


def write_training_config(folder: Path, two_optimisers: bool = False) -> Path:
    """Twenty steps of `TINY` on procedural scenes, a checkpoint after every fourth."""
    fields = {name: getattr(TINY, name) for name in TINY.__dataclass_fields__ if name not in WORDS}
    model = "\n".join(f"{k} = {list(v) if isinstance(v, tuple) else str(v).lower()}" for k, v in fields.items())
    path = folder / "tiny.toml"
    path.write_text(TRAINING.format(model=model, two=str(two_optimisers).lower()))
    return path
