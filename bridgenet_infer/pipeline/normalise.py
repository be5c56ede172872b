"""One normalisation for training, serving and scoring: depth beside the depths of its own neighbourhood.

Nothing here depends on the range of a whole image, so that a far patch changes nothing elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 3  # LR samples: the neighbourhood that mid and reach are measured in
PERCENTILES = (1, 99)
BOUND = 2.0  # of normalised depth; beyond it there is rounding alone (|x| stays below .8 in training)


def local_range(lr: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and reach of the depths around every LR sample.

    With lo and hi the minimum and maximum over 3 x 3 samples, mid is the mean over 3 x 3 of (lo + hi) / 2, and reach
    that of hi - lo. Their support of 5 x 5 samples covers the taps of the bicubic enlargement: where the reach
    enlarged by `resize_bilinear` is 0, all taps are equal.

    Parameters
    ----------
    lr
        (B, 1, h, w) floating point, without holes, of whole images: the border repeats outwards.

    Returns
    -------
    mid and reach, (B, 1, h, w) each; reach is exactly 0 where 5 x 5 samples are equal.
    """
    high, low = _over_windows(lr, torch.maximum), _over_windows(lr, torch.minimum)
    # nine values are summed at every place: a running sum would leave a residue of far values
    total = _over_windows(torch.cat((low + high, high - low), 1), torch.add)
    return total[:, :1] / (2 * WINDOW**2), total[:, 1:] / WINDOW**2


def image_range(lr: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Least depth and range of a whole image in place of `local_range`, as weights of the first generation want it.

    Both are the same everywhere: the 1st percentile of the `measured` samples (bool), and its distance to the 99th.
    """
    values = lr[measured] if measured.any() else lr.flatten()
    low, high = np.percentile(values.numpy(), PERCENTILES)
    if high <= low:  # almost everything at one depth
        low, high = values.min(), values.max()
    return torch.full_like(lr, float(low)), torch.full_like(lr, float(high - low))


def _over_windows(x: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """(B, C, h, w) -> the same with each sample's window combined; several times as fast as the library's pooling."""
    x = F.pad(x, (WINDOW // 2,) * 4, mode="replicate")
    height, width = (side - WINDOW + 1 for side in x.shape[-2:])
    x = reduce(combine, (x[..., i : i + width] for i in range(WINDOW)))
    return reduce(combine, (x[..., i : i + height, :] for i in range(WINDOW)))


def normalise(d_up: Tensor, mid: Tensor, reach: Tensor) -> Tensor:
    """Normalised depth, as the network sees it: (d_up - mid) / reach within -2 ... 2, and 0 where reach is 0.

    Parameters
    ----------
    d_up, mid, reach
        Enlarged LR depth, bicubically, and its `local_range`, bilinearly; any shapes that broadcast.
    """
    # divided by infinity where the reach is 0: a mask takes several times as long
    return (d_up - mid).div_(F.threshold(reach, 0, math.inf)).clamp_(-BOUND, BOUND)


def denormalise(residual: Tensor, d_up: Tensor, reach: Tensor) -> Tensor:
    """D_SR = d_up + reach * residual, in the unit of `d_up`; d_up to the last bit where reach is 0.

    Parameters
    ----------
    residual
        The network's result.
    d_up, reach
        As for `normalise`.
    """
    return torch.addcmul(d_up, reach, residual)
