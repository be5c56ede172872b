"""Draw the batch of one training step from the pools; the same seed and step give the same batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bridgenet_infer.pipeline.holes import fill_holes
from bridgenet_infer.pipeline.normalise import local_range, normalise
from bridgenet_infer.pipeline.resample import resize_bicubic, resize_bilinear
from simulation.degrade import LR_KERNELS, crop, make_lr, to_eight_bit
from simulation.sensors import SENSORS, Sensor, disturb_guide, lose_patches, sense
from training.config import DataConfig
from training.far import draw_far_layer, paint_layer
from training.pool import GREY, Pool

ORIGIN_GRID = 16  # crops start on the graph's grid, which is also the LR grid of scales 2, 4, 8, 16
FINE_SCALE = 8  # beyond, images come from the last of the pools
LEAST_GREY, LEAST_METRES = 4.0, 0.02  # extents that errors on flat images are weighed by


@dataclass(frozen=True)
class Batch:
    """The inputs of the network, and the truth that its outputs are compared with.

    rgb (B, 3, P, P) in [0, 1]; d_up, mid, reach, truth (B, 1, P, P) in the sample's unit; extent (B, 1, 1, 1), the
    unit that its errors are weighed by; mde_truth (B, 1, P, P), about 0 to 1; weight, measured (B, 1, P, P).
    """

    rgb: Tensor
    d_up: Tensor
    mid: Tensor
    reach: Tensor
    truth: Tensor
    extent: Tensor
    mde_truth: Tensor
    weight: Tensor
    measured: Tensor

    def depth_input(self, with_validity: bool) -> Tensor:
        """D_up as the graph wants it."""
        x = normalise(self.d_up, self.mid, self.reach)
        return torch.cat((x, self.measured), 1) if with_validity else x

    @staticmethod
    def join(parts: Sequence[Batch]) -> Batch:
        """Parts of one patch size as one batch."""
        columns = (torch.cat([getattr(part, name) for part in parts]) for name in Batch.__dataclass_fields__)
        return Batch(*(x.contiguous(memory_format=torch.channels_last) for x in columns))


@dataclass(frozen=True)
class Draws:
    """All random numbers of one part of a step, drawn on the CPU so that every device sees the same ones."""

    pool: int
    scale: float
    eight_bit: bool
    turn: int  # 0..7, flips and transpose
    index: Tensor  # (B,) into the pool
    gumbel: Tensor  # (B, K) noise for the choice of the crop
    uniform: Tensor  # (B, 4)
    far: Tensor  # (B, 11)
    far_alike: bool
    kernel: str
    sensor: str | None
    sensor_seed: int


def draw(config: DataConfig, pools: Sequence[Pool], seed: int, step: int) -> list[Draws]:
    """Random numbers of step `step`, one for each part."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    offset = float(torch.rand((), generator=generator))
    return [_draw_part(config, pools, (part + offset) / config.parts, generator) for part in range(config.parts)]


def _draw_part(config: DataConfig, pools: Sequence[Pool], place: float, generator: torch.Generator) -> Draws:
    """`place` in 0..1 tells which of the scales it is."""
    coin = torch.rand(4, generator=generator).tolist()
    if coin[0] < config.jitter_share:
        scale = config.scales[0] * (config.scales[-1] / config.scales[0]) ** place
    else:
        scale = _at(config.scales, config.scale_weights, place)
    number = len(pools) - 1 if scale > FINE_SCALE else 0
    real = pools[number].real
    batch = config.batch // config.parts
    kinds = torch.rand(batch, generator=generator) < config.real_share
    index = torch.empty(batch, dtype=torch.long)
    for kind in (False, True):
        candidates = torch.nonzero(real == kind)[:, 0]
        if len(candidates) == 0:
            candidates = torch.arange(len(real))
        chosen = candidates[torch.randint(len(candidates), (batch,), generator=generator)]
        index = torch.where(kinds == kind, chosen, index)
    cells = (pools[number].rgb.shape[-1] - config.patch) // ORIGIN_GRID + 1
    uniform = torch.rand(batch, cells**2, generator=generator).clamp(1e-6, 1 - 1e-6)
    return Draws(
        number,
        scale,
        coin[1] < config.integer_share,
        int(coin[2] * 8),
        index,
        -torch.log(-torch.log(uniform)),
        torch.rand(batch, 4, generator=generator),
        torch.rand(batch, 11, generator=generator),
        coin[3] < 0.5,
        LR_KERNELS[_pick(config.kernel_weights, generator)],
        *_pick_sensor(config.sensor_share, generator),
    )


def _at(values: tuple[float, ...], weights: tuple[float, ...], place: float) -> float:
    """The value whose share of 0..1 holds `place`."""
    total = sum(weights)
    for value, weight in zip(values, weights, strict=True):
        place -= weight / total
        if place < 0:
            return value
    return values[-1]


def _pick(weights: tuple[float, ...], generator: torch.Generator) -> int:
    return int(torch.multinomial(torch.tensor(weights, dtype=torch.float), 1, generator=generator))


def _pick_sensor(share: float, generator: torch.Generator) -> tuple[str | None, int]:
    """A sensor's name, or None for a clean part, and the seed of its noise."""
    chosen = float(torch.rand((), generator=generator)) < share
    name = list(SENSORS)[_pick((1.0,) * len(SENSORS), generator)]
    return name if chosen else None, int(torch.randint(2**31, (), generator=generator))


def make_batch(config: DataConfig, pools: Sequence[Pool], draws: Sequence[Draws]) -> Batch:
    """Augment, degrade whole images, measure their local ranges, then crop; everything on the pools' device."""
    return Batch.join([_make_part(config, pools[part.pool], part) for part in draws])


def _make_part(config: DataConfig, pool: Pool, draws: Draws) -> Batch:
    device = pool.rgb.device
    index, uniform, gumbel, far = (
        x.to(device, non_blocking=True) for x in (draws.index, draws.uniform, draws.gumbel, draws.far)
    )
    rgb = turn(pool.rgb[index], draws.turn).float() / 255
    grey = turn(pool.depth[index], draws.turn).float() / GREY
    weight = turn(pool.weight[index], draws.turn).float() / 255
    span = pool.span[index]
    mde_truth = (grey - _each(span[:, 0])) / _each(_width(span).clamp(min=LEAST_GREY))
    if draws.sensor is None:
        rgb, truth, lr, extent = _shrink(config, draws, rgb, grey, mde_truth, span, uniform, far)
        lr, measured = _lose(config, draws, lr, (truth.shape[-2], truth.shape[-1]))
    else:
        rgb, truth, lr, measured, extent = _sense(config, draws, SENSORS[draws.sensor], rgb, mde_truth, uniform)
    weight = weight * (measured > 0.5)
    size = (truth.shape[-2], truth.shape[-1])
    mid, reach = (resize_bilinear(x, size) for x in local_range(lr))
    d_up = resize_bicubic(lr, size)
    error = (truth - d_up).abs() / torch.maximum(reach, _each(extent)) * weight
    origin = _choose_crops(error, config.patch, gumbel, config.edge_focus)
    rgb, d_up, mid, reach, truth, mde_truth, weight, measured = (
        crop(x, origin, config.patch) for x in (rgb, d_up, mid, reach, truth, mde_truth, weight, measured)
    )
    return Batch(rgb, d_up, mid, reach, truth, _each(extent), mde_truth, weight, measured)


def _shrink(
    config: DataConfig,
    draws: Draws,
    rgb: Tensor,
    grey: Tensor,
    shape: Tensor,
    span: Tensor,
    uniform: Tensor,
    far: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Guide, truth, LR depth and extent of an image shrunk by a kernel, in grey levels.

    `shape` (B, 1, P, P) is the depth from about 0 to 1. A far layer lies in truth and LR depth alike, or is shrunk with
    the rest.
    """
    truth, gain = _affine(config, grey, uniform)
    extent = (gain * _width(span)).clamp(min=LEAST_GREY)
    if draws.eight_bit:
        truth = to_eight_bit(truth)
    if config.far_share == 0:
        return rgb, truth, make_lr(truth, draws.scale, draws.eight_bit, draws.kernel), extent
    layer = draw_far_layer(shape, extent, config.far_share, far[:, :7])
    rgb, beyond = paint_layer(rgb, layer, far[:, 7:]), layer.on(truth)
    if draws.far_alike:
        lr = layer.on(make_lr(truth, draws.scale, draws.eight_bit, draws.kernel))
    else:  # 8 bits would not hold it, but hold the images without a layer
        lr = torch.where(
            layer.mask.any(-1, keepdim=True).any(-2, keepdim=True),
            make_lr(beyond, draws.scale, False, draws.kernel),
            make_lr(truth, draws.scale, draws.eight_bit, draws.kernel),
        )
    return rgb, beyond, lr, extent


def _lose(config: DataConfig, draws: Draws, lr: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """LR depth with the holes of some samples filled, and the measured share of each pixel."""
    if config.hole_share == 0:
        return lr, lr.new_ones(len(lr), 1, *size)
    generator = torch.Generator().manual_seed(draws.sensor_seed)
    share = 0.3 * float(torch.rand((), generator=generator)) ** 2
    valid = lose_patches(tuple(lr.shape), max(share, 1e-3), generator)
    valid |= torch.rand(len(lr), 1, 1, 1, generator=generator) >= config.hole_share
    valid = valid.to(lr.device)
    return fill_holes(lr, valid), resize_bicubic(valid.float(), size)


def _sense(
    config: DataConfig, draws: Draws, kind: Sensor, rgb: Tensor, shape: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Guide, truth, LR depth, measured share and extent as of a sensor's frame, in metres.

    `shape` (B, 1, P, P), about 0 to 1, becomes depth between a random near and far plane, read as disparity in
    `invert_share` of the samples.
    """
    generator = torch.Generator().manual_seed(draws.sensor_seed)
    near, ratio = (_each(draw) for draw in (0.4 * 4 ** uniform[:, 0], 1.5 * 5 ** uniform[:, 1]))
    far = near * ratio
    by_depth = (near + shape * (far - near)).clamp(min=0.5 * near)
    by_disparity = 1 / (1 / far + shape * (1 / near - 1 / far)).clamp(min=0.5 / far)
    truth = torch.where(_each(uniform[:, 3]) < config.invert_share, by_disparity, by_depth)
    size = (truth.shape[-2], truth.shape[-1])
    focal = size[1] * (1 + 3 * float(draws.uniform[0, 2]))  # the pool's images are parts of larger ones
    # fattening from none: whoever expects it in every frame erodes the sharp ones
    sensor = kind.scaled(0.5 * 3 ** float(draws.uniform[-1, 2]), 1.4 * float(torch.rand((), generator=generator)))
    lr, valid = sense(sensor, truth, rgb, draws.scale, focal, generator)
    measured = resize_bicubic(valid.float(), size)
    extent = (far - near).flatten().clamp(min=LEAST_METRES)
    shift = config.guide_shift * float(torch.rand((), generator=generator)) ** config.guide_shift_power
    return disturb_guide(rgb, shift, 1.0, generator), truth, fill_holes(lr, valid), measured, extent


def turn(x: Tensor, code: int) -> Tensor:
    """One of the eight flips and transpositions of a square (B, C, P, P)."""
    if code & 1:
        x = x.flip(-1)
    if code & 2:
        x = x.flip(-2)
    return x.transpose(-1, -2) if code & 4 else x


def _each(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1)."""
    return values[:, None, None, None]


def _width(span: Tensor) -> Tensor:
    return span[:, 1] - span[:, 0]


def _affine(config: DataConfig, grey: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Random gain, offset and inversion inside 0..255; depth and disparity look alike to the network.

    The gain goes down to a tenth: rounding to 8 bits then leaves few steps.
    """
    gain = torch.where(uniform[:, 0] < config.affine_share, 0.1 ** uniform[:, 1], 1.0)
    offset = (1 - gain) * 255 * uniform[:, 2]
    invert = uniform[:, 3] < config.invert_share
    slope = torch.where(invert, -gain, gain)
    start = torch.where(invert, offset + gain * 255, offset)
    return _each(slope) * grey + _each(start), gain


def _choose_crops(error: Tensor, patch: int, gumbel: Tensor, edge_focus: float) -> Tensor:
    """(B, 2) origins: crops where bicubic errs more are likelier, as error ** edge_focus."""
    means = F.avg_pool2d(error, patch, stride=ORIGIN_GRID)[:, 0]  # B,K,K
    rows, columns = means.shape[-2:]
    score = edge_focus * (means.flatten(1) + 1e-4).log() + gumbel[:, : rows * columns]
    best = score.argmax(1)
    return torch.stack((best // columns, best % columns), 1) * ORIGIN_GRID
