"""Simulate real depth sensors: noise, quantisation, mixed pixels, holes, and a misregistered guide.

Parameters are per LR sample, lengths in metres, as published for one device of each kind. All random numbers are
drawn on the CPU from one generator, so that a seed gives the same frame on every device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bridgenet_infer.arrays import Array
from bridgenet_infer.pipeline.resample import resize_bicubic

LUMINANCE = (0.299, 0.587, 0.114)

# Middlebury 2005 at full size (vision.middlebury.edu/stereo/data/scenes2005): f = 3740 px, baseline 160 mm; its
# disparities count from an offset of 200 to 290 px, one figure for all here: 1.2 to 2.4 m
FOCAL, BASELINE, OFFSET = 3740.0, 0.16, 250.0


@dataclass(frozen=True)
class Sensor:
    """One kind of depth sensor.

    Attributes
    ----------
    sampling
        "nearest": one ray per sample; "area": the mean over the sample's footprint, which mixes the depths of both
        sides of an edge into flying pixels; "bicubic": a finer frame that was shrunk.
    noise, noise_squared
        Standard deviation of the depth z is noise + noise_squared * z**2.
    correlation
        Sigma in samples of the blur that noise has gone through (matching windows).
    quantum
        Step of 1 / z in 1 / m: disparities are whole multiples of a fraction of a pixel. 0: none.
    jitter
        Standard deviation in samples of where a ray lands (lateral noise); for "nearest" alone.
    fattening
        How far foreground grows over background, in samples.
    baseline
        Metres between emitter and camera, or between both cameras: what only one of them sees is a hole. 0: none.
    grazing
        Least cosine between ray and surface normal that still returns depth.
    dark
        Least luminance (of the guide, 0 to 1) that still returns depth.
    blobs
        Share of the frame lost in patches of a few samples.
    """

    sampling: Literal["nearest", "area", "bicubic"]
    noise: float
    noise_squared: float
    correlation: float = 0.0
    quantum: float = 0.0
    jitter: float = 0.0
    fattening: float = 0.0
    baseline: float = 0.0
    grazing: float = 0.1
    dark: float = 0.0
    blobs: float = 0.0

    def scaled(self, strength: float, fattening: float) -> Sensor:
        """The same kind with `strength` times its noise, quantisation and losses, and so much of its fattening."""
        return replace(
            self,
            fattening=self.fattening * fattening,
            noise=self.noise * strength,
            noise_squared=self.noise_squared * strength,
            quantum=self.quantum * strength,
            jitter=self.jitter * strength,
            blobs=min(self.blobs * strength, 0.5),
        )


SENSORS = {
    # Kinect v1. Khoshelham and Elberink, Sensors 12 (2012): standard deviation 1.425e-3 z^2, depth steps
    # 2.85e-3 z^2; baseline 75 mm. Nguyen, Izadi and Lovell, 3DIMPVT 2012: lateral noise .8 px, steep rise of
    # both beyond 60 degrees.
    "structured_light": Sensor(
        "nearest", 0.0, 1.425e-3, quantum=2.85e-3, jitter=0.8, baseline=0.075, grazing=0.2, dark=0.05, blobs=0.01
    ),
    # Azure Kinect. Toelgyessy et al., Sensors 21 (2021): the specified 17 mm standard deviation is met over the
    # whole range, a few millimetres near by; pixels on edges average both depths, dark and steep surfaces are lost.
    "time_of_flight": Sensor("area", 2e-3, 1e-3, grazing=0.17, dark=0.04, blobs=0.005),
    # RealSense D435. Intel, "Best-known-methods for tuning D400 cameras": error z^2 s / (f b), s = .08 px of
    # disparity, b = 50 mm, f = 424 px at 848 x 480: 3.8e-3 z^2. The matching window correlates the noise and
    # fattens edges; steps of 1/32 px.
    "active_stereo": Sensor(
        "nearest", 0.0, 3.8e-3, correlation=1.0, quantum=1.5e-3, fattening=0.7, baseline=0.05, grazing=0.2, blobs=0.03
    ),
    # A frame of the first kind that a driver or user has shrunk by bicubic: noise is averaged over some samples, edges
    # are neither ragged nor fat, holes stay. Parameters by these words, from no measurement.
    "shrunk_frame": Sensor("bicubic", 0.0, 5e-4, correlation=0.8, baseline=0.02, grazing=0.15, dark=0.03, blobs=0.02),
}


def sense(
    sensor: Sensor, depth: Tensor, rgb: Tensor, scale: float, focal: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The frame that a sensor of 1 / `scale` the resolution would deliver.

    Parameters
    ----------
    depth
        (B, 1, H, W) metres, positive, without holes.
    rgb
        (B, 3, H, W) in [0, 1]; tells which surfaces are dark.
    scale
        HR size / LR size.
    focal
        Focal length in HR pixels.
    generator
        On the CPU; advanced by the same numbers on every device.

    Returns
    -------
    Depth (B, 1, h, w) in metres, complete, and validity (B, 1, h, w) bool: where it was measured.
    """
    height, width = depth.shape[-2:]
    size = (max(round(height / scale), 1), max(round(width / scale), 1))
    shape = (len(depth), 1, *size)

    def normal() -> Tensor:
        return torch.randn(shape, generator=generator).to(depth.device)

    radius = round(sensor.fattening * scale)
    if radius:
        depth = -F.max_pool2d(-depth, 2 * radius + 1, 1, radius)
    exact = _sample(sensor, depth, size, generator)
    deviation = sensor.noise + sensor.noise_squared * exact**2
    sensed = exact + deviation * _correlate(normal(), sensor.correlation)
    sensed = sensed.clamp(min=0.25 * float(depth.min()))
    if sensor.quantum:
        sensed = 1 / ((1 / sensed / sensor.quantum).round().clamp(min=1) * sensor.quantum)

    straight = F.interpolate(depth, size, mode="nearest-exact")
    valid = _cosine(straight, focal / scale) + 0.03 * normal() > sensor.grazing
    if sensor.dark:
        weights = torch.tensor(LUMINANCE, device=rgb.device)[None, :, None, None]
        luminance = F.interpolate((rgb * weights).sum(1, keepdim=True), size, mode="area")
        valid &= luminance + 0.02 * normal() > sensor.dark
    if sensor.blobs:
        valid &= lose_patches(shape, sensor.blobs, generator).to(depth.device)
    if sensor.baseline:
        side = 1 if torch.rand((), generator=generator) < 0.5 else -1
        valid &= ~_shadow(straight, sensor.baseline * focal / scale, side)
    return sensed, valid


def sense_disparity(sensor: Sensor, disparity: Tensor, rgb: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """`sense` for a scene of Middlebury, grey levels of disparity (B, 1, H, W) -> uint16 (B, 1, h, w), holes 0.

    In millimetres, as sensors deliver: they err in depth, and foreground is what is near.
    """
    depth = FOCAL * BASELINE / (disparity + OFFSET)
    sensed, valid = sense(sensor, depth, rgb, scale, FOCAL, generator)
    return torch.where(valid, (1000 * sensed + 0.5).floor().clamp(1, 65535), 0).to(torch.uint16)


def millimetres_to_disparity(depth: Array) -> npt.NDArray[np.float64]:
    """Grey levels of disparity, not rounded, of depth from `sense_disparity`; holes give large values."""
    return FOCAL * BASELINE * 1000 / np.maximum(depth.astype(np.float64), 1) - OFFSET


def disturb_guide(rgb: Tensor, shift: float, strength: float, generator: torch.Generator) -> Tensor:
    """A guide that is off by `shift` pixels, in another light, blurred and noisy.

    Parameters
    ----------
    rgb
        (B, 3, H, W) in [0, 1].
    shift
        Length in pixels of the displacement; its direction is random for each image.
    strength
        0 leaves the colours alone; at 1 exposure changes by up to a factor 1.5, gamma by 1.2, blur reaches a sigma of
        1 pixel and noise one of 3 %.

    Returns
    -------
    (B, 3, H, W) in [0, 1]; uncovered borders repeat the image's.
    """
    batch, _, height, width = rgb.shape
    angle = 2 * math.pi * torch.rand(batch, generator=generator)
    draws = torch.rand(batch, 4, generator=generator).to(rgb.device)
    noise = torch.randn(rgb.shape, generator=generator).to(rgb.device)
    motion = torch.eye(2, 3).repeat(batch, 1, 1)
    motion[:, 0, 2] = 2 * shift * angle.cos() / width
    motion[:, 1, 2] = 2 * shift * angle.sin() / height
    grid = F.affine_grid(motion.to(rgb.device), list(rgb.shape), align_corners=False)
    moved = F.grid_sample(rgb, grid, padding_mode="border", align_corners=False)
    gain, gamma, blur, grain = (draws[:, i, None, None, None] for i in range(4))
    exposed = (moved * 1.5 ** (strength * (2 * gain - 1))).clamp(0, 1) ** (1.2 ** (strength * (2 * gamma - 1)))
    # a mix with the blurred image: its second moment is that of a blur between the two
    softened = torch.lerp(exposed, _blur(exposed, 1.0), strength * blur)
    return (softened + 0.03 * strength * grain * noise).clamp(0, 1)


def _sample(sensor: Sensor, depth: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    if sensor.sampling == "area":
        return F.interpolate(depth, size, mode="area")
    if sensor.sampling == "bicubic":
        return resize_bicubic(depth, size).clamp(min=0.25 * float(depth.min()))
    height, width = depth.shape[-2:]
    places = torch.randn(2, len(depth), *size, generator=generator) * sensor.jitter
    rows = (torch.arange(size[0])[:, None] + 0.5 + places[0]) * (height / size[0])
    columns = (torch.arange(size[1]) + 0.5 + places[1]) * (width / size[1])
    index = rows.long().clamp(0, height - 1) * width + columns.long().clamp(0, width - 1)  # B,h,w
    return depth.flatten(2).gather(2, index.flatten(1)[:, None].to(depth.device)).view(len(depth), 1, *size)


def _cosine(depth: Tensor, focal: float) -> Tensor:
    """Between ray and surface normal, near the optical axis; the flatter neighbour counts, so edges are not steep."""
    slopes = []
    for axis in (2, 3):
        steps = depth.diff(dim=axis)
        ends = steps.abs().narrow(axis, 0, 1)
        before, after = torch.cat((ends, steps.abs()), axis), torch.cat((steps.abs(), ends), axis)
        slopes.append(torch.minimum(before, after))
    tangent = (slopes[0] ** 2 + slopes[1] ** 2).sqrt() * focal / depth
    return 1 / (1 + tangent**2).sqrt()


def _shadow(depth: Tensor, focal_baseline: float, side: int) -> Tensor:
    """Where something nearer, on one side, hides a sample from the emitter (or the other camera)."""
    disparity = focal_baseline / depth  # in samples
    hidden = torch.zeros_like(depth, dtype=torch.bool)
    reach = min(math.ceil(float(disparity.max() - disparity.min())), depth.shape[-1] - 1)
    for step in range(1, reach + 1):
        shifted = torch.roll(disparity, -side * step, 3)
        if side > 0:
            shifted[..., -step:] = 0
        else:
            shifted[..., :step] = 0
        hidden |= shifted - disparity > step
    return hidden


def lose_patches(shape: tuple[int, ...], share: float, generator: torch.Generator) -> Tensor:
    """Validity (B, 1, h, w) on the CPU, of which `share` is lost in patches of a few samples."""
    return _smooth_field(shape, generator) < _quantile(1 - share)


def _smooth_field(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal field with features of about six samples."""
    coarse = torch.randn(*shape[:2], *(max(side // 6, 1) + 3 for side in shape[2:]), generator=generator)
    field = F.interpolate(coarse, shape[2:], mode="bicubic", align_corners=False)
    return field / field.std((2, 3), keepdim=True).clamp(min=1e-6)


def _quantile(share: float) -> float:
    """Of the standard normal distribution."""
    return math.sqrt(2) * float(torch.erfinv(torch.tensor(2 * share - 1, dtype=torch.float64)))


def _correlate(noise: Tensor, sigma: float) -> Tensor:
    """Blurred noise, its standard deviation still about one."""
    if not sigma:
        return noise
    return _blur(noise, sigma) * (2 * math.sqrt(math.pi) * sigma)


def _blur(x: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(3 * sigma)
    taps = torch.exp(-(torch.arange(-radius, radius + 1, device=x.device) ** 2) / (2 * sigma**2))
    taps = (taps / taps.sum()).to(x.dtype).repeat(x.shape[1], 1, 1, 1)
    padded = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(padded, taps, groups=x.shape[1])
    return F.conv2d(across, taps.transpose(2, 3), groups=x.shape[1])
