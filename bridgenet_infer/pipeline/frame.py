"""One image on its way through: its LR depth as the network needs it, and where the results go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridgenet_infer.arrays import Array, Mask

from ..graph import Extras
from ..graph.config import Reference
from .local_depth import LocalDepth, measure_local_depth
from .validate import LowResolutionDepth
from .wild import without_wild


@dataclass(frozen=True)
class Results:
    """What a call gives back, to be filled: (B, H, W) each, (H, W) for one image.

    Attributes
    ----------
    depth
        In the received dtype.
    valid
        bool, by nearest neighbour; None where it was not asked for, as with what follows.
    estimated_depth
        D_DE, float32.
    expected_error
        float32, in the unit of depth.
    """

    depth: Tensor
    valid: Tensor | None
    estimated_depth: Tensor | None
    expected_error: Tensor | None

    def of_image(self, index: int) -> Results:
        """Views of one image's."""
        views: dict[str, Any] = {name: None if x is None else x[index] for name, x in vars(self).items()}
        return Results(**views)


@dataclass(frozen=True)
class Frame:
    """Inputs and outputs of one image; the outputs are filled row by row.

    Attributes
    ----------
    rgb
        (H, W, 1 or 3) as received: an array, or a tensor on its device.
    raw
        (h, w) LR depth as received.
    seen
        (h, w) bool: what the network sees as measured, that is neither a hole nor a single wild sample.
    valid
        (h, w) bool: where the result is depth.
    replaced
        (h, w) bool: where the network's depth takes the place of `raw`, which comes back as it is elsewhere.
    local
        The depth that the network sees, and the way back.
    results
        Views of the batch's.
    """

    rgb: Array | Tensor
    raw: Array
    seen: Mask
    valid: Mask
    replaced: Mask
    local: LocalDepth
    results: Results

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @cached_property
    def measured(self) -> Mask:
        """(h, w) bool: where `raw` is depth; `valid` itself unless holes are to be filled."""
        known = self.valid & (self.seen | ~self.replaced)
        return self.valid if np.array_equal(known, self.valid) else known


def make_results(
    size: tuple[int, int], received: LowResolutionDepth, extras: Extras, *, valid: bool = False
) -> Results:
    """Room for results of (H, W) for every image, on the device that the depth came from."""
    shape, device = (len(received.raw), *size), received.device
    dtype: torch.dtype = getattr(torch, received.raw.dtype.name)

    def room(dtype: torch.dtype, wanted: bool) -> Tensor | None:
        return torch.empty(shape, dtype=dtype, device=device) if wanted else None

    return Results(
        depth=torch.empty(shape, dtype=dtype, device=device),
        valid=room(torch.bool, valid),
        estimated_depth=room(torch.float32, extras.estimated_depth),
        expected_error=room(torch.float32, extras.expected_error),
    )


def make_frames(
    rgb: Array | Tensor, received: LowResolutionDepth, results: Results, fill_holes: bool, reference: Reference
) -> list[Frame]:
    """Prepare every image of a batch: leave out its wild samples, fill its holes, measure its local range.

    Parameters
    ----------
    rgb
        (B, H, W, 1 or 3).
    fill_holes
        Return filled depth instead of holes; an image without any valid sample stays a hole.
    reference
        What depth is normalised by, see `BridgeNetConfig.normalisation`.
    """
    frames = []
    for i, (raw, measured) in enumerate(zip(received.raw, received.valid, strict=True)):
        seen = without_wild(raw, measured)
        valid = np.full_like(measured, measured.any()) if fill_holes else measured
        frames.append(
            Frame(
                rgb=rgb[i],
                raw=raw,
                seen=seen,
                valid=valid,
                replaced=valid if seen is measured else valid & (seen | ~measured),
                local=measure_local_depth(raw, seen, reference),
                results=results.of_image(i),
            )
        )
    return frames
