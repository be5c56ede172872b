"""MDENet: RGB -> estimated depth D_DE (Section 3.1, after the CLIFF fusion of its reference [44])."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv3x3, residual_blocks
from .config import BridgeNetConfig


def resize_bilinear(x: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *size), grids sharing their outer edges."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class FeaturePyramid(nn.Module):
    """1x1 lateral convs, top-down bilinear addition, 3x3 smoothing: strides 2 to 16 -> as many, P wide."""

    def __init__(self, widths: Sequence[int], pyramid_width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, pyramid_width, 1) for width in widths)
        self.smooth = nn.ModuleList(conv3x3(pyramid_width, pyramid_width) for _ in widths)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        levels = [lateral(stage) for lateral, stage in zip(self.lateral, stages, strict=True)]
        for i in range(len(levels) - 2, -1, -1):
            levels[i] = levels[i] + resize_bilinear(levels[i + 1], levels[i].shape[-2:])
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]


class CrossLevelFusion(nn.Module):
    """CLIFF: high-level features select the accurate parts of the low-level ones.

    Shapes: low (B, P, h, w), high (B, P, h/2, w/2) -> (B, P, h, w).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.refine = conv3x3(2 * channels, channels)
        self.select = conv3x3(2 * channels, channels)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        upsampled = resize_bilinear(high, low.shape[-2:])
        refined = torch.relu(self.refine(torch.cat((low, low * upsampled), 1)))
        return torch.relu(self.select(torch.cat((upsampled, refined), 1))) + upsampled


class MDENet(nn.Module):
    """Monocular depth estimation subnetwork; its parts are called by `BridgeNet` in the figure's order."""

    def __init__(self, config: BridgeNetConfig) -> None:
        super().__init__()
        stem_width, *widths = config.mde_widths
        self.stem = nn.Sequential(conv3x3(3, stem_width), nn.ReLU(inplace=True))
        inputs = (stem_width, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv3x3(before, width, stride=2),
                nn.ReLU(inplace=True),
                residual_blocks(config.mde_blocks, width, config.activation),
            )
            for before, width in zip(inputs, widths, strict=True)
        )
        self.pyramid = FeaturePyramid(widths, config.pyramid_width)
        self.cliffs = nn.ModuleList(CrossLevelFusion(config.pyramid_width) for _ in range(3))
        self.head = conv3x3(config.pyramid_width, 1)
        if self.head.bias is not None:
            nn.init.constant_(self.head.bias, 0.5)  # the middle of the normalised range
        self._start_with_even_features()

    def _start_with_even_features(self) -> None:
        """Features of all strides start about as strong as RGB's contrasts: a bridge would not hear weaker ones."""
        stem, *strided = (
            module for part in (self.stem, *self.stages) for module in part if isinstance(module, nn.Conv2d)
        )
        with torch.no_grad():
            for conv in (stem, *strided):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
            stem.weight.mul_(3.0)  # RGB spreads by about a third of its range ...
            if stem.bias is not None:
                stem.bias.copy_(-0.5 * stem.weight.sum((1, 2, 3)))  # ... around its middle

    def encode(self, rgb: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> F_MDE^1..3 at strides 2, 4, 8: all that HABdg needs."""
        x, features = self.stem(rgb), []
        for stage in list(self.stages)[:3]:
            x = stage(x)
            features.append(x)
        return features

    def encode_last(self, f_mde_3: Tensor) -> Tensor:
        """F_MDE^4 at stride 16, needed for D_DE only."""
        f_mde_4: Tensor = self.stages[3](f_mde_3)
        return f_mde_4
