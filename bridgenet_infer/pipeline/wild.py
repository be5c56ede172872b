"""Find single wild samples: one of 1e10 among metres would spoil the local range of all depth around it."""

import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array, Mask

SHARES = (0.05, 0.95)  # of the samples: between them lies the image's range
FAR = 99  # ranges from the image's median; what is nearer is not looked at
WILD = 100  # times the image's range, and times the spread of the samples around
AROUND = 2  # samples to each side
LEAST_AROUND = 8
AT_ONCE = 2**16  # samples looked at: a far surface may hold a twentieth of a large image


def without_wild(depth: Array, valid: Mask) -> Mask:
    """The valid samples less single wild ones, which no surface explains.

    With m the median of the other valid samples in 5 x 5 around a sample v (at least eight), s the largest distance of
    one of them from m, and R the 5-95 % range of the image, v is wild if |v - m| > 100 max(s, R). Only samples farther
    than 99 R from the image's median are looked at, none where R is 0.

    Parameters
    ----------
    depth
        (h, w), any dtype and unit; values where `valid` is False are ignored.
    valid
        (h, w) bool.

    Returns
    -------
    (h, w) bool; `valid` itself if no sample is wild.
    """
    values = depth[valid]
    if values.size <= LEAST_AROUND:
        return valid
    last = values.size - 1
    ranks = [-int(-SHARES[0] * last // 1), last // 2, int(SHARES[1] * last)]
    low, median, high = (float(np.partition(values, rank)[rank]) for rank in ranks)  # all at once takes far longer
    spread = high - low
    if spread == 0 or max(float(values.max()) - median, median - float(values.min())) / FAR <= spread:
        return valid
    far = np.zeros_like(valid)
    far[valid] = np.abs(values.astype(np.float64) - median) / FAR > spread
    places = np.argwhere(far)
    kept = valid.copy()
    for start in range(0, len(places), AT_ONCE):
        looked_at = places[start : start + AT_ONCE]
        kept[tuple(looked_at.T)] = ~_are_wild(depth, valid, looked_at, spread)
    return valid if np.array_equal(kept, valid) else kept


def _are_wild(depth: Array, valid: Mask, places: npt.NDArray[np.int64], spread: float) -> Mask:
    """(n,) bool for valid samples at (n, 2)."""
    steps = np.arange(-AROUND, AROUND + 1)
    rows, columns = (
        places[:, axis, None, None] + steps.reshape(shape) for axis, shape in enumerate([(1, -1, 1), (1, 1, -1)])
    )
    inside = (rows >= 0) & (rows < depth.shape[0]) & (columns >= 0) & (columns < depth.shape[1])
    rows, columns = rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)
    other = inside & valid[rows, columns]
    other[:, AROUND, AROUND] = False
    samples = np.where(other, depth[rows, columns], np.inf).astype(np.float64).reshape(len(places), -1)
    samples.sort(1)  # those that do not count come last
    count = other.sum((1, 2))
    each = np.arange(len(places))
    median = samples[each, (count - 1).clip(0) // 2] / 2 + samples[each, count // 2] / 2
    with np.errstate(invalid="ignore"):  # infinity less infinity, where there are too few
        farthest = np.maximum(median - samples[:, 0], samples[each, (count - 1).clip(0)] - median)
        step = np.abs(depth[tuple(places.T)].astype(np.float64) - median) / WILD
    wild: Mask = (count >= LEAST_AROUND) & (step > np.maximum(farthest, spread))
    return wild
