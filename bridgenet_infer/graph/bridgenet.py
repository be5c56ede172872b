"""The whole BridgeNet graph: DSRNet and MDENet joined by HABdg and CGBdg (Figure 2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .bridges import ConcatenationBridge, ContentGuidanceBridge, HighFrequencyAttentionBridge
from .config import BridgeNetConfig
from .dsrnet import DSRNet
from .mdenet import MDENet, resize_bilinear

SIZE_MULTIPLE = 16
"""H and W must be multiples of this: MDENet's stage 4, and the average pooling at stride 8."""


class Extras(NamedTuple):
    """What to compute beside the residual."""

    estimated_depth: bool = False
    expected_error: bool = False


class Outputs(NamedTuple):
    """(B, 1, H, W) each; float32 the first and the last. None where it was not asked for.

    Attributes
    ----------
    residual
        Times the local reach and added to D_up it makes D_SR.
    estimated_depth
        D_DE.
    expected_error
        Mean absolute error that D_SR is expected to have, in units of the local reach.
    """

    residual: Tensor
    estimated_depth: Tensor | None
    expected_error: Tensor | None


class BridgeNet(nn.Module):
    """Joint depth super-resolution and monocular depth estimation (equations 1-11).

    Parameters
    ----------
    config
        Widths, depths and the switches for the paper's ablations.
    """

    def __init__(self, config: BridgeNetConfig) -> None:
        super().__init__()
        self.config = config
        reduction = config.attention_reduction
        self.dsr = DSRNet(config)
        self.mde = MDENet(config) if config.mde else None
        self.guidance_bridges = nn.ModuleList()  # strides 2, 4, 8
        for dsr_width, mde_width in zip(config.dsr_widths[1:], config.mde_widths[1:4], strict=True):
            if config.guidance == "habdg":
                self.guidance_bridges.append(HighFrequencyAttentionBridge(dsr_width, mde_width, reduction))
            elif config.guidance == "concat":
                self.guidance_bridges.append(ConcatenationBridge(dsr_width, mde_width))
        self.content_bridges = nn.ModuleList()  # decoder levels 1 and 2: strides 4, 2
        if config.content_guidance:
            for width in (config.dsr_widths[2], config.dsr_widths[1]):
                self.content_bridges.append(ContentGuidanceBridge(width, config.pyramid_width, reduction))

    def forward(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool = False, expect_error: bool = False) -> Outputs:
        """Super-resolve one batch.

        Parameters
        ----------
        rgb
            (B, 3, H, W) in [0, 1]; H and W multiples of 16.
        d_up
            (B, 1, H, W), LR depth interpolated to HR size and normalised by its local range, within -2 ... 2; with
            `validity_input` (B, 2, H, W), the second channel the LR validity (0 or 1) interpolated alike.
        estimate_depth
            Also compute D_DE. Without it, MDENet's stage 4, pyramid, CLIFF and CGBdg are skipped and the residual
            is the same bit for bit.
        expect_error
            Also compute the expected error; the residual is the same bit for bit.

        Raises
        ------
        ValueError
            If the sizes differ or are no multiples of 16, or something is asked of a graph that has no part for it.
        """
        self._check(rgb, d_up, estimate_depth, expect_error)
        guides = self.mde.encode(rgb) if self.mde is not None and (self.guided or estimate_depth) else []
        shallow, entry = self.dsr.enter(d_up)
        x, unguided, guided = entry, [], []
        for i, stage in enumerate(self.dsr.stages):
            x = stage(x)
            unguided.append(x)
            if self.guided:
                guide = guides[i] if self.config.dsr_loss_reaches_mde else guides[i].detach()
                x = self.guidance_bridges[i](x, guide)
            guided.append(x)
        levels = self.dsr.decode(self.dsr.merge(x, shallow, entry, unguided), guided)
        residual = self.dsr.reconstruct(levels[1])
        head = self.dsr.error_head
        return Outputs(
            residual,
            self._estimate(guides, levels) if estimate_depth else None,
            head(levels[1], residual) if expect_error and head is not None else None,
        )

    @property
    def guided(self) -> bool:
        """Whether RGB reaches D_SR at all."""
        return len(self.guidance_bridges) > 0

    @property
    def expects_error(self) -> bool:
        """Whether there is a head for the expected error."""
        return self.dsr.error_head is not None

    def _estimate(self, guides: list[Tensor], dsr_levels: list[Tensor]) -> Tensor:
        """Pyramid, CLIFF 1-3 and CGBdg -> D_DE (B, 1, H, W)."""
        mde = self.mde
        if mde is None:
            raise ValueError("this graph has no MDENet")
        *lows, high = mde.pyramid([*guides, mde.encode_last(guides[2])])  # strides 2, 4, 8 | 16
        for i, cliff in enumerate(mde.cliffs):
            high = cliff(lows[2 - i], high)
            high = resize_bilinear(high, [2 * side for side in high.shape[-2:]])
            if i < len(self.content_bridges):
                content = dsr_levels[i] if self.config.mde_loss_reaches_dsr else dsr_levels[i].detach()
                high = self.content_bridges[i](content, high)
        d_de: Tensor = mde.head(high)
        return d_de

    def _check(self, rgb: Tensor, d_up: Tensor, estimate_depth: bool, expect_error: bool) -> None:
        shapes = f"rgb {tuple(rgb.shape)}, d_up {tuple(d_up.shape)}"
        channels = 2 if self.config.validity_input else 1
        if rgb.ndim != 4 or rgb.shape[1] != 3 or d_up.shape != (rgb.shape[0], channels, *rgb.shape[2:]):
            raise ValueError(f"expected rgb (B, 3, H, W) and d_up (B, {channels}, H, W), got {shapes}")
        if any(side == 0 or side % SIZE_MULTIPLE for side in rgb.shape[-2:]):
            raise ValueError(f"H and W must be positive multiples of {SIZE_MULTIPLE}, got {shapes}")
        if estimate_depth and self.mde is None:
            raise ValueError("D_DE was asked for, but this graph has no MDENet")
        if expect_error and not self.expects_error:
            raise ValueError("the expected error was asked for, but this graph has no head for it")


def build_bridgenet(config: BridgeNetConfig) -> BridgeNet:
    """A freshly initialised graph in channels_last memory order."""
    return BridgeNet(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
