"""Building blocks shared by both subnetworks."""

import torch
from torch import Tensor, nn

from .config import Activation


def make_activation(name: Activation) -> nn.Module:
    """The activation that a config names."""
    return nn.SiLU(inplace=True) if name == "silu" else nn.ReLU(inplace=True)


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Same size at stride 1, half at stride 2."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x))), EDSR style, no batch norm: (B, C, H, W) -> (B, C, H, W).

    The branch starts at a tenth of its natural strength: forty blocks at default initialisation diverge within
    50 steps, and branches at exactly zero learn later (measured).
    """

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.activation = make_activation(activation)
        self.conv2 = conv3x3(channels, channels)
        nn.init.kaiming_normal_(self.conv1.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.conv2.weight)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)
        for conv in (self.conv1, self.conv2):
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.conv2(self.activation(self.conv1(x)))
        return residual.add_(x)  # one feature map less to write and to read


def residual_blocks(count: int, channels: int, activation: Activation) -> nn.Sequential:
    """`count` blocks, one after the other."""
    return nn.Sequential(*(ResidualBlock(channels, activation) for _ in range(count)))


class ChannelAttention(nn.Module):
    """CA of equation 7: squeeze-and-excitation over the whole input (B, C, H, W); the gate starts at exactly 1."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        nn.init.zeros_(self.excite.weight)
        if self.excite.bias is not None:
            nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)  # B,C,1,1
        gate = 2 * torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled))))
        return x * gate


class SpatialAttention(nn.Module):
    """SA of equation 7: 7x7 conv on mean and maximum over C of (B, C, H, W); the gate starts at exactly 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)
        nn.init.zeros_(self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1)  # B,2,H,W
        return x * (2 * torch.sigmoid(self.conv(summary)))


class AttentionFusion(nn.Module):
    """SA(conv1x1(CA([main, side]))), the block that closes both bridges (equation 7).

    Shapes: main (B, M, H, W) and side (B, S, H, W) -> (B, M, H, W).

    The 1x1 conv starts as the identity on `main`, since at default initialisation each bridge would shrink the signal
    to about a fifth, and as by default on `side`.
    """

    def __init__(self, main_channels: int, side_channels: int, reduction: int) -> None:
        super().__init__()
        self.channel_attention = ChannelAttention(main_channels + side_channels, reduction)
        self.project = nn.Conv2d(main_channels + side_channels, main_channels, 1)
        self.spatial_attention = SpatialAttention()
        with torch.no_grad():
            self.project.weight[:, :main_channels] = torch.eye(main_channels)[:, :, None, None]
            if self.project.bias is not None:
                self.project.bias.zero_()

    def forward(self, main: Tensor, side: Tensor) -> Tensor:
        fused: Tensor = self.project(self.channel_attention(torch.cat((main, side), 1)))
        attended: Tensor = self.spatial_attention(fused)
        return attended
