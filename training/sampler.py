"""Batches for one training step, drawn from the pool: deterministic by (seed, step), on the pool's device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bridgenet_infer.resample import resize_bicubic
from training.config import DataConfig
from training.degrade import LR_KERNELS, crop, fill_nearest, make_lr, normalise, to_eight_bit
from training.pool import GREY, Pool
from training.sensors import SENSORS, Sensor, disturb_guide, sense

ORIGIN_GRID = 16  # crops start on the graph's grid, which is also the LR grid of scales 2, 4, 8, 16
FINE_SCALE = 8  # up to here patches have `DataConfig.patch`, beyond `patch_coarse`
LEAST_GREY, LEAST_METRES = 4.0, 0.02  # extents that flat images are normalised by


@dataclass(frozen=True)
class Batch:
    """rgb (B, 3, P, P) in [0, 1]; d_up, truth, mde_truth (B, 1, P, P) normalised; weight, measured (B, 1, P, P)."""

    rgb: Tensor
    d_up: Tensor
    truth: Tensor
    mde_truth: Tensor
    weight: Tensor
    measured: Tensor

    def depth_input(self, with_validity: bool) -> Tensor:
        """D_up as the graph wants it."""
        return torch.cat((self.d_up, self.measured), 1) if with_validity else self.d_up


@dataclass(frozen=True)
class Draws:
    """All random numbers of one step, drawn on the CPU so that every device sees the same ones."""

    scale: float
    patch: int
    eight_bit: bool
    turn: int  # 0..7, flips and transpose
    index: Tensor  # (B,) into the pool
    gumbel: Tensor  # (B, K) noise for the choice of the crop
    uniform: Tensor  # (B, 6)
    kernel: str
    sensor: str | None
    sensor_seed: int


def draw(config: DataConfig, real: Tensor, grid_cells: int, seed: int, step: int) -> Draws:
    """Random numbers of step `step`; `real` (N,) bool on the CPU, `grid_cells` crop origins per side at most."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    coin = torch.rand(4, generator=generator).tolist()
    if coin[0] < config.jitter_share:
        scale = config.scales[0] * (config.scales[-1] / config.scales[0]) ** coin[1]
    else:
        scale = config.scales[_pick(config.scale_weights, generator)]
    patch = config.patch if scale <= FINE_SCALE else config.patch_coarse
    batch = patches_per_step(config, patch)
    kinds = torch.rand(batch, generator=generator) < config.real_share
    index = torch.empty(batch, dtype=torch.long)
    for kind in (False, True):
        candidates = torch.nonzero(real == kind)[:, 0]
        if len(candidates) == 0:
            candidates = torch.arange(len(real))
        chosen = candidates[torch.randint(len(candidates), (batch,), generator=generator)]
        index = torch.where(kinds == kind, chosen, index)
    uniform = torch.rand(batch, grid_cells**2, generator=generator).clamp(1e-6, 1 - 1e-6)
    return Draws(
        scale,
        patch,
        coin[2] < config.integer_share,
        int(coin[3] * 8),
        index,
        -torch.log(-torch.log(uniform)),
        torch.rand(batch, 6, generator=generator),
        LR_KERNELS[_pick(config.kernel_weights, generator)],
        *_pick_sensor(config.sensor_share, generator),
    )


def _pick(weights: tuple[float, ...], generator: torch.Generator) -> int:
    return int(torch.multinomial(torch.tensor(weights, dtype=torch.float), 1, generator=generator))


def patches_per_step(config: DataConfig, patch: int) -> int:
    """As many patches of this side as hold the pixels of a batch."""
    return max(round(config.batch * config.patch**2 / patch**2), 1)


def _pick_sensor(share: float, generator: torch.Generator) -> tuple[str | None, int]:
    """A sensor's name, or None for a clean batch, and the seed of its noise."""
    chosen = float(torch.rand((), generator=generator)) < share
    name = list(SENSORS)[_pick((1.0,) * len(SENSORS), generator)]
    return name if chosen else None, int(torch.randint(2**31, (), generator=generator))


def make_batch(config: DataConfig, pool: Pool, draws: Draws) -> Batch:
    """Augment, degrade whole images, normalise, then crop; everything on the pool's device."""
    device = pool.rgb.device
    index = draws.index.to(device, non_blocking=True)
    uniform = draws.uniform.to(device, non_blocking=True)
    gumbel = draws.gumbel.to(device, non_blocking=True)
    rgb = turn(pool.rgb[index], draws.turn).float() / 255
    grey = turn(pool.depth[index], draws.turn).float() / GREY
    weight = turn(pool.weight[index], draws.turn).float() / 255
    span = pool.span[index]
    mde_truth = normalise(grey, span[:, 0], _extent(span, LEAST_GREY))
    if draws.sensor is None:
        truth, d_up, span = _shrink(config, draws, grey, span, uniform)
        measured = torch.ones_like(d_up)
    else:
        rgb, truth, d_up, measured, span = _sense(config, draws, SENSORS[draws.sensor], rgb, mde_truth, uniform)
        weight = weight * (measured > 0.5)
    extent = _extent(span, LEAST_GREY if draws.sensor is None else LEAST_METRES)
    extent = extent * (1 + config.span_jitter * (2 * uniform[:, 4] - 0.7))
    low = span[:, 0] + config.span_jitter * (uniform[:, 5] - 0.5) * extent
    truth, d_up = normalise(truth, low, extent), normalise(d_up, low, extent)
    origin = _choose_crops((truth - d_up).abs() * weight, draws.patch, gumbel, config.edge_focus)
    cropped = (crop(x, origin, draws.patch) for x in (rgb, d_up, truth, mde_truth, weight, measured))
    return Batch(*(x.contiguous(memory_format=torch.channels_last) for x in cropped))


def _shrink(
    config: DataConfig, draws: Draws, grey: Tensor, span: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Truth, D_up and the span of an image shrunk by a kernel, in grey levels."""
    truth, span = _affine(config, grey, span, uniform)
    if draws.eight_bit:
        truth = to_eight_bit(truth)
    lr = make_lr(truth, draws.scale, draws.eight_bit, draws.kernel)
    return truth, resize_bicubic(lr, (truth.shape[-2], truth.shape[-1])), span


def _sense(
    config: DataConfig, draws: Draws, kind: Sensor, rgb: Tensor, shape: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Guide, truth, D_up, measured share and span as of a sensor's frame, in metres.

    `shape` (B, 1, P, P), about 0 to 1, becomes depth between a random near and far plane, read as disparity in
    `invert_share` of the samples.
    """
    generator = torch.Generator().manual_seed(draws.sensor_seed)
    near, ratio = (draw[:, None, None, None] for draw in (0.4 * 4 ** uniform[:, 0], 1.5 * 5 ** uniform[:, 1]))
    far = near * ratio
    by_depth = (near + shape * (far - near)).clamp(min=0.5 * near)
    by_disparity = 1 / (1 / far + shape * (1 / near - 1 / far)).clamp(min=0.5 / far)
    truth = torch.where(uniform[:, 3, None, None, None] < config.invert_share, by_disparity, by_depth)
    size = (truth.shape[-2], truth.shape[-1])
    focal = size[1] * (1 + 3 * float(draws.uniform[0, 2]))  # the pool's images are parts of larger ones
    # fattening from none: whoever expects it in every frame erodes the sharp ones
    sensor = kind.scaled(0.5 * 3 ** float(draws.uniform[-1, 2]), 1.4 * float(torch.rand((), generator=generator)))
    lr, valid = sense(sensor, truth, rgb, draws.scale, focal, generator)
    d_up = resize_bicubic(fill_nearest(lr, valid), size)
    measured = resize_bicubic(valid.float(), size)
    kept = torch.where(valid, lr, torch.nan).flatten(1)
    kept = torch.where(kept.isnan().all(1, keepdim=True), lr.flatten(1), kept)
    span = torch.nanquantile(kept, kept.new_tensor([0.01, 0.99]), dim=1).T
    shift = config.guide_shift * float(torch.rand((), generator=generator)) ** config.guide_shift_power
    return disturb_guide(rgb, shift, 1.0, generator), truth, d_up, measured, span


def turn(x: Tensor, code: int) -> Tensor:
    """One of the eight flips and transpositions of a square (B, C, P, P)."""
    if code & 1:
        x = x.flip(-1)
    if code & 2:
        x = x.flip(-2)
    return x.transpose(-1, -2) if code & 4 else x


def _extent(span: Tensor, least: float) -> Tensor:
    return (span[:, 1] - span[:, 0]).clamp(min=least)


def _affine(config: DataConfig, grey: Tensor, span: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Random gain, offset and inversion inside 0..255; depth and disparity look alike to the network."""
    gain = torch.where(uniform[:, 0] < config.affine_share, 0.3 + 0.7 * uniform[:, 1], 1.0)
    offset = (1 - gain) * 255 * uniform[:, 2]
    invert = uniform[:, 3] < config.invert_share
    slope = torch.where(invert, -gain, gain)
    start = torch.where(invert, offset + gain * 255, offset)
    ends = slope[:, None] * span + start[:, None]
    return slope[:, None, None, None] * grey + start[:, None, None, None], ends.sort(1).values


def _choose_crops(error: Tensor, patch: int, gumbel: Tensor, edge_focus: float) -> Tensor:
    """(B, 2) origins: crops where bicubic errs more are likelier, as error ** edge_focus."""
    means = F.avg_pool2d(error, patch, stride=ORIGIN_GRID)[:, 0]  # B,K,K
    rows, columns = means.shape[-2:]
    score = edge_focus * (means.flatten(1) + 1e-4).log() + gumbel[:, : rows * columns]
    best = score.argmax(1)
    return torch.stack((best // columns, best % columns), 1) * ORIGIN_GRID
