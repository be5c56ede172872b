"""Add layers far behind (or before) the rest to a batch: a window in a room, a sky, the end of a corridor."""

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST, MOST = 1.0, 100.0  # ranges of the image that a layer lies away


@dataclass(frozen=True)
class FarLayer:
    """Where a layer is, and how far away.

    mask (B, 1, P, P) bool; offset (B, 1, 1, 1), added to the depth there.
    """

    mask: Tensor
    offset: Tensor

    def on(self, depth: Tensor) -> Tensor:
        """`depth` (B, 1, h, w) of any size with the layer in it; a sample takes the pixel at its centre."""
        size = depth.shape[-2:]
        mask = torch.nn.functional.interpolate(self.mask.float(), size, mode="nearest-exact") > 0.5
        return torch.where(mask, depth + self.offset, depth)


def draw_far_layer(shape: Tensor, extent: Tensor, share: float, uniform: Tensor) -> FarLayer:
    """A layer for `share` of the images: all pixels beyond a depth, or all on one side of a line.

    Parameters
    ----------
    shape
        (B, 1, P, P) depth, about 0 to 1.
    extent
        (B,) range of the image in the unit of the offset.
    uniform
        (B, 7) random numbers.
    """
    chosen, kind, place, angle, far, sign, side = (u[:, None, None, None] for u in uniform.unbind(1))
    beyond = (shape > 0.15 + 0.7 * place) ^ (side < 0.5)
    axis = torch.linspace(-1, 1, shape.shape[-1], device=shape.device)
    turned = axis[:, None] * torch.sin(2 * torch.pi * angle) + axis * torch.cos(2 * torch.pi * angle)
    mask = torch.where(kind < 0.6, beyond, turned > 0.9 * place) & (chosen < share)
    offset = torch.where(sign < 0.5, -1.0, 1.0) * extent[:, None, None, None] * LEAST * (MOST / LEAST) ** far
    return FarLayer(mask, offset)


def paint_layer(rgb: Tensor, layer: FarLayer, uniform: Tensor) -> Tensor:
    """The guide (B, 3, P, P) in [0, 1] with the layer in a colour of its own, by `uniform` (B, 4)."""
    colour, strength = uniform[:, :3, None, None], (1.4 * uniform[:, 3, None, None, None]).clamp(max=1)
    return torch.where(layer.mask, torch.lerp(rgb, colour.expand_as(rgb), strength), rgb)
