"""One image on its way through: complete LR depth with its normalisation, and where the results go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .holes import fill_holes
from .normalise import Normalisation, Space, check_space, measure_normalisation
from .validate import LowResolutionDepth

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Results:
    """What a call gives back, to be filled: (B, H, W) each, (H, W) for one image.

    Attributes
    ----------
    depth
        In the received dtype.
    valid
        bool, by nearest neighbour; None where it was not asked for, as with `estimated_depth`.
    estimated_depth
        D_DE, float32.
    """

    depth: Tensor
    valid: Tensor | None
    estimated_depth: Tensor | None

    def of_image(self, index: int) -> Results:
        """Views of one image's."""
        return Results(
            depth=self.depth[index],
            valid=None if self.valid is None else self.valid[index],
            estimated_depth=None if self.estimated_depth is None else self.estimated_depth[index],
        )


@dataclass(frozen=True)
class Frame:
    """Inputs and outputs of one image; the outputs are filled row by row.

    Attributes
    ----------
    rgb
        (H, W, 1 or 3) as received: an array, or a tensor on its device.
    raw
        (h, w) LR depth as received.
    filled
        (h, w) the same with its holes filled.
    valid
        (h, w) bool: where it had none.
    wanted
        (h, w) bool: where `raw` is to be replaced; elsewhere it comes back as it is.
    normalisation
        From the received unit to the network's range and back; None if no sample is valid.
    results
        Views of the batch's.
    """

    rgb: Array | Tensor
    raw: Array
    filled: Array
    valid: npt.NDArray[np.bool_]
    wanted: npt.NDArray[np.bool_]
    normalisation: Normalisation | None
    results: Results

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.rgb.shape[0], self.rgb.shape[1]


def make_results(size: tuple[int, int], received: LowResolutionDepth, *, valid: bool, estimated_depth: bool) -> Results:
    """Room for results of (H, W) for every image, on the device that the depth came from."""
    shape, device = (len(received.raw), *size), received.device
    dtype: torch.dtype = getattr(torch, received.raw.dtype.name)
    return Results(
        depth=torch.empty(shape, dtype=dtype, device=device),
        valid=torch.empty(shape, dtype=torch.bool, device=device) if valid else None,
        estimated_depth=torch.empty(shape, dtype=torch.float32, device=device) if estimated_depth else None,
    )


def make_frames(
    rgb: Array | Tensor, received: LowResolutionDepth, results: Results, space: Space, keep_filled: bool
) -> list[Frame]:
    """Prepare every image of a batch: fill its holes, measure its normalisation.

    Parameters
    ----------
    rgb
        (B, H, W, 1 or 3).
    space
        See `measure_normalisation`.
    keep_filled
        Return filled depth instead of holes; an image without any valid sample stays a hole.

    Raises
    ------
    ValueError
        If `space` is unknown.
    """
    check_space(space)  # also where there is nothing to normalise
    frames = []
    for i, (raw, valid) in enumerate(zip(received.raw, received.valid, strict=True)):
        any_valid = bool(valid.any())
        frames.append(
            Frame(
                rgb=rgb[i],
                raw=raw,
                filled=fill_holes(raw, valid) if any_valid else raw,
                valid=valid,
                wanted=np.full_like(valid, any_valid) if keep_filled else valid,
                normalisation=measure_normalisation(raw, valid, space) if any_valid else None,
                results=results.of_image(i),
            )
        )
    return frames
