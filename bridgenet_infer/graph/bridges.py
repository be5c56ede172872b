"""The two bridges between MDENet and DSRNet (Sections 3.2 and 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import AttentionFusion


class HighFrequencyAttentionBridge(nn.Module):
    """HABdg, equations 3-7: high frequencies of MDENet's encoder guide DSRNet's encoder.

    Shapes: DSR features (B, C, h, w) and MDE features (B, M, h, w), h and w even -> (B, C, h, w).
    """

    def __init__(self, dsr_channels: int, mde_channels: int, reduction: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(mde_channels, mde_channels, 4, stride=2, padding=1)
        self.prelu = nn.PReLU(mde_channels)
        self.fusion = AttentionFusion(dsr_channels, mde_channels, reduction)
        _start_as_bilinear(self.deconv)

    def forward(self, f_dsr: Tensor, f_mde: Tensor) -> Tensor:
        f_blurred = self.deconv(F.avg_pool2d(f_mde, 2))  # equation 3
        a_hf = self.prelu(f_mde - f_blurred)  # equation 4
        f_hg = torch.addcmul(f_mde, a_hf, f_mde)  # equation 5
        f_ha: Tensor = self.fusion(f_dsr, f_hg)  # equations 6 and 7
        return f_ha


class ConcatenationBridge(nn.Module):
    """Table 4's replacement for HABdg, with its shapes: conv1x1([F_DSR, F_MDE])."""

    def __init__(self, dsr_channels: int, mde_channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(dsr_channels + mde_channels, dsr_channels, 1)
        with torch.no_grad():
            self.project.weight.mul_(0.1)
            self.project.weight[:, :dsr_channels] = torch.eye(dsr_channels)[:, :, None, None]

    def forward(self, f_dsr: Tensor, f_mde: Tensor) -> Tensor:
        fused: Tensor = self.project(torch.cat((f_dsr, f_mde), 1))
        return fused


class ContentGuidanceBridge(nn.Module):
    """CGBdg, equations 8-11: DSRNet's decoder guides MDENet's decoder.

    Shapes: DSR features (B, C, h, w) and MDE features (B, P, h, w) -> (B, P, h, w).
    """

    def __init__(self, dsr_channels: int, mde_channels: int, reduction: int) -> None:
        super().__init__()
        self.dsr_map = nn.Conv2d(dsr_channels, 1, 1)
        self.mde_map = nn.Conv2d(mde_channels, 1, 1)
        self.difference = nn.Conv2d(1, dsr_channels, 1)
        self.fusion = AttentionFusion(mde_channels, dsr_channels, reduction)

    def forward(self, fd_dsr: Tensor, fd_mde: Tensor) -> Tensor:
        m_dsr = self.dsr_map(fd_dsr)  # equation 8
        m_mde = self.mde_map(fd_mde)  # equation 9
        # over channels: over pixels the softmax would vanish as 1 / (h w)
        w_diff = torch.softmax(self.difference(m_dsr - m_mde), 1)  # equation 10
        f_cg = fd_dsr + w_diff * fd_dsr  # equation 11
        refined: Tensor = self.fusion(fd_mde, f_cg)
        return refined


def _start_as_bilinear(deconv: nn.ConvTranspose2d) -> None:
    """Start a 4x4 stride-2 transposed convolution as channel-wise bilinear interpolation."""
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        deconv.weight.zero_()
        for channel in range(deconv.in_channels):
            deconv.weight[channel, channel] = torch.outer(ramp, ramp)
        if deconv.bias is not None:
            deconv.bias.zero_()
