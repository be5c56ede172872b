"""DSRNet: interpolated LR depth + guidance -> the residual that makes D_SR of it (Section 3.1, Figure 2)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv3x3, make_activation, residual_blocks
from .config import Activation, BridgeNetConfig

RESIDUAL_BOUND = 8.0  # of the local reach; unbounded, one bad batch at x16 ended a run with residuals of 13,000


LOG_ERROR_MIDDLE, LOG_ERROR_BOUND = -4.0, 6.0  # expected errors from e^-10 to e^2 of the local reach
ERROR_WIDTH = 8  # channels; sixteen gain nothing


class TransformationModule(nn.Module):
    """Max-pool 2, 1x1 conv where the width changes, residual blocks: (B, A, H, W) -> (B, C, H/2, W/2)."""

    def __init__(self, in_channels: int, channels: int, blocks: int, activation: Activation) -> None:
        super().__init__()
        widen = nn.Conv2d(in_channels, channels, 1) if in_channels != channels else nn.Identity()
        self.widen = widen
        self.blocks = residual_blocks(blocks, channels, activation)

    def forward(self, x: Tensor) -> Tensor:
        transformed: Tensor = self.blocks(self.widen(F.max_pool2d(x, 2)))
        return transformed


class DownsampleBlock(nn.Module):
    """Three convs, each followed by a max-pool, the long skip: (B, C1, H, W) -> (B, C8, H/8, W/8)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3x3(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.max_pool2d(conv(x), 2)
        return x


class DSRNet(nn.Module):
    """Depth super-resolution subnetwork; its parts are called by `BridgeNet` in the figure's order."""

    def __init__(self, config: BridgeNetConfig) -> None:
        super().__init__()
        c1, c2, c4, c8 = widths = config.dsr_widths
        activation = config.activation
        self.bounded = config.normalisation == "local"
        self.entry_conv = conv3x3(2 if config.validity_input else 1, c1)
        with torch.no_grad():
            self.entry_conv.weight.mul_(4.0)  # normalised depth is mostly within a quarter of its range
        self.entry_blocks = residual_blocks(config.entry_blocks, c1, activation)
        self.stages = nn.ModuleList(
            TransformationModule(a, b, blocks, activation)
            for a, b, blocks in zip(widths, widths[1:], config.stage_blocks, strict=False)
        )
        self.trunk = residual_blocks(config.trunk_blocks, c8, activation)
        # 4x4 stride 2 stays centred on the max-pool grid
        self.multi_scale = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.fusion_blocks = residual_blocks(2, c8, activation)
        self.downsample = DownsampleBlock(widths)
        decoder = [conv3x3(c8, 4 * c4), conv3x3(c4, 4 * c2), conv3x3(c2, 4 * c1)]
        for conv in decoder:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # the default loses two thirds a level
        self.decoder = nn.ModuleList(decoder)
        self.activation = make_activation(activation)
        self.skips = nn.ModuleList((nn.Conv2d(c4, c4, 1), nn.Conv2d(c2, c2, 1)) if config.decoder_skips else ())
        self.decoder_blocks = nn.ModuleList(residual_blocks(config.decoder_blocks, c, activation) for c in (c4, c2))
        self.head = nn.Conv2d(c1, 1, 1)
        # zero would delay learning, the default would start far from D_up
        nn.init.normal_(self.head.weight, std=0.0015)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)
        self.error_head = ErrorHead(c2) if config.expected_error else None

    def enter(self, d_up: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1 or 2, H, W) -> first conv's features and those after the residual blocks, both at stride 1."""
        shallow: Tensor = self.entry_conv(d_up)
        return shallow, self.entry_blocks(shallow)

    def merge(self, deep: Tensor, shallow: Tensor, entry: Tensor, unguided: Sequence[Tensor]) -> Tensor:
        """Trunk, multi-scale path and long skip at stride 8.

        `deep` is the last HABdg output, `unguided` the stage features *before* HABdg (Figure 2).
        """
        path = entry
        for conv, feature in zip(self.multi_scale, unguided, strict=True):
            path = conv(path) + feature
        merged: Tensor = self.fusion_blocks(self.trunk(deep) + path)
        return torch.add(merged, self.downsample(shallow))

    def decode(self, merged: Tensor, guided: Sequence[Tensor]) -> list[Tensor]:
        """Features at strides 4 and 2."""
        levels, x = [], merged
        for i, conv in enumerate(self.decoder[:2]):
            x = F.pixel_shuffle(conv(x), 2)
            if i < len(self.skips):
                x = x + self.skips[i](guided[1 - i])
            x = self.decoder_blocks[i](self.activation(x))
            levels.append(x)
        return levels

    def reconstruct(self, features: Tensor) -> Tensor:
        """Last decoder level and head: (B, C, H / 2, W / 2) -> residual (B, 1, H, W), within +-`RESIDUAL_BOUND`
        (weights of the first generation know no bound).

        Conv, pixel shuffle and 1x1 head are linear, so they run as one conv to the four pixels of each position: the
        full-size features with C channels are never made. Always in float32.
        """
        with torch.autocast(features.device.type, enabled=False):
            weight, bias = fold_head(self.decoder[2], self.head)
            residual = F.pixel_shuffle(F.conv2d(features.float(), weight, bias, padding=1), 2)
            return RESIDUAL_BOUND * torch.tanh(residual / RESIDUAL_BOUND) if self.bounded else residual


class ErrorHead(nn.Module):
    """The expected error of D_SR: the scale of a Laplace distribution around it, which is its mean absolute error.

    It only reads what `DSRNet.reconstruct` read and made, so that no gradient of it reaches D_SR.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # two convs whose sum is one of all channels together, which would have to be copied
        self.conv1 = conv3x3(channels, ERROR_WIDTH)
        self.correction = nn.Conv2d(4, ERROR_WIDTH, 3, padding=1, bias=False)
        self.conv2 = conv3x3(ERROR_WIDTH, 4)

    def forward(self, features: Tensor, residual: Tensor) -> Tensor:
        """(B, C, H / 2, W / 2) and (B, 1, H, W) -> (B, 1, H, W) float32 in units of the local reach."""
        with torch.autocast(features.device.type, enabled=False):
            x = self.conv1(features.detach().float())
            x = F.relu(x + self.correction(F.pixel_unshuffle(residual.detach().float().abs(), 2)))
            log_error = self.conv2(x).clamp(-LOG_ERROR_BOUND, LOG_ERROR_BOUND)
            return F.pixel_shuffle(torch.exp(log_error + LOG_ERROR_MIDDLE), 2)


def fold_head(conv: nn.Module, head: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight (4, C, 3, 3) and bias (4,) of the conv that equals conv 3x3 -> pixel shuffle 2 -> 1x1 head."""
    if not isinstance(conv, nn.Conv2d) or conv.bias is None or head.bias is None:
        raise TypeError("both must be convolutions with a bias")
    mix = head.weight.float().flatten()
    # the shuffle's channels are ordered (C', 2, 2)
    weight = torch.einsum("c,cpikl->pikl", mix, conv.weight.float().view(len(mix), 4, *conv.weight.shape[1:]))
    return weight, mix @ conv.bias.float().view(len(mix), 4) + head.bias.float()
