"""Steady the LR depth of a stream: a recursive filter over time, gated by the noise that it measures itself.

Its words are those of camera SDKs (the temporal filter of librealsense): smoothing factor, threshold, persistence. It
works on the LR grid, so a frame takes about a millisecond.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch

from .arrays import Array, Mask
from .pipeline.restore import to_container
from .pipeline.validate import ArrayLike, check_depth

Float = npt.NDArray[np.float64]
DepthLike = TypeVar("DepthLike", bound=ArrayLike)

PARTS = 8  # of the depths of a frame, each with a noise of its own: that of most sensors grows with depth
WITHIN = 0.683  # share of normal noise within one standard deviation
LOCAL = 9  # samples: changes that all samples of such a square share are motion of the camera
DRIFT = 0.5  # share of the new frame in the mean deviation, whose gate is half as wide
BESIDE = 2  # samples of the 3 x 3 around a hole: noise moves single ones
NOISE = 0.2  # share of the new frame in the noise
LEAST_SAMPLES = 64


@dataclass(frozen=True)
class Temporal:
    """The settings of a `TemporalFilter`.

    Parameters
    ----------
    smoothing
        Share of the new frame in the average: 1 leaves depth as it is, less is steadier, and slower where depth drifts
        by less than its noise.
    threshold
        A sample that is off its average by more than so many standard deviations of the noise has moved: its average
        begins anew with it.
    persistence
        Frames for which a hole keeps the last average, unless something moves beside it.

    Raises
    ------
    ValueError
        If the smoothing is not in 0 to 1 without 0, the threshold not positive, or the persistence no whole number from
        0.
    """

    smoothing: float = 0.2
    threshold: float = 5.0
    persistence: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.smoothing <= 1:
            raise ValueError(f"smoothing must be above 0 and at most 1, got {self.smoothing!r}")
        if not self.threshold > 0:
            raise ValueError(f"threshold must be positive, got {self.threshold!r}")
        if not isinstance(self.persistence, int | np.integer) or self.persistence < 0:
            raise ValueError(f"persistence must be a whole number from 0, got {self.persistence!r}")


class TemporalFilter:
    """The average of each LR sample over time; one for each stream, called with its frames in order.

    With x the new sample and m its average, m becomes m + w (x - m), where w falls from 1 to the smoothing factor over
    the first frames. The average begins anew (w = 1) where |x - m| is above `threshold` times the noise, or the mean of
    the latest deviations above half of that: what moves slowly deviates to one side. The noise is the standard
    deviation between frames, measured by parts of the depth, so that it needs no unit.

    Parameters
    ----------
    settings
        See `Temporal`.
    invalid
        A further value that marks holes.
    """

    def __init__(self, settings: Temporal, invalid: float | None = None) -> None:
        self.settings, self.invalid = settings, invalid
        self._state: _State | None = None

    def __call__(self, lr_depth: DepthLike) -> DepthLike:
        """The next frame, steadied: container, dtype, unit and shape stay as they are.

        A frame of another shape or dtype begins anew.

        Parameters
        ----------
        lr_depth
            (h, w) or (B, h, w) as for `DepthUpsampler`; holes are 0, and NaN or +-inf in floats.

        Raises
        ------
        TypeError, ValueError
            As `DepthUpsampler` for depth that does not fit.
        """
        received = check_depth(lr_depth, self.invalid)
        raw, valid = received.raw, received.valid
        state = self._state
        if state is None or state.last.shape != raw.shape or state.dtype != raw.dtype:
            state = self._state = _State(raw, valid)
        else:
            state.add(raw, valid, self.settings)
        kept = valid | state.kept(self.settings.persistence)
        mean = np.rint(state.mean) if raw.dtype.kind in "iu" else state.mean
        steady = np.where(kept, mean, raw).astype(raw.dtype.newbyteorder("="))
        return cast(DepthLike, to_container(torch.from_numpy(steady).to(received.device), received))


class _State:
    """What is remembered of a stream: (B, h, w) each."""

    def __init__(self, raw: Array, valid: Mask) -> None:
        self.dtype = raw.dtype
        self.floor = 0.5 if raw.dtype.kind in "iu" else 0.0  # of the noise: half a step of integers
        self.last = self.mean = np.where(valid, raw, 0).astype(np.float64)
        self.drift = np.zeros(raw.shape)
        self.count = valid.astype(np.int64)  # frames in the average, 0 without one
        self.missing = np.zeros(raw.shape, np.int64)  # frames since the last sample
        self.known = valid
        self.noise = np.zeros(raw.shape)
        self.measured = False

    def kept(self, persistence: int) -> Mask:
        """Holes that keep their average."""
        kept: Mask = (self.count > 0) & (self.missing <= persistence)
        return kept

    def add(self, raw: Array, valid: Mask, settings: Temporal) -> None:
        """Take the next frame in."""
        new = np.where(valid, raw, 0).astype(np.float64)
        self._measure_noise(new, valid)
        gate = settings.threshold * np.maximum(self.noise, self.floor)
        deviation = np.where(valid & (self.count > 0), new - self.mean, 0)
        self.drift += DRIFT * (deviation - self.drift)
        moved = (np.abs(deviation) > gate) | (np.abs(self.drift) > gate / 2)
        around = [cv2.boxFilter(each.astype(np.uint8), -1, (3, 3), normalize=False) for each in moved]
        beside = np.stack(around) >= BESIDE
        self.missing = np.where(valid, 0, self.missing + 1)
        forget = moved | (~valid & (beside | (self.missing > settings.persistence)))
        self.count[forget] = 0
        self.drift[forget] = 0
        self.count += valid
        weight = np.maximum(1 / np.maximum(self.count, 1), settings.smoothing)
        self.mean = np.where(self.count > 1, self.mean + weight * deviation, np.where(valid, new, self.mean))
        self.last, self.known = np.where(valid, new, self.last), valid

    def _measure_noise(self, new: Float, valid: Mask) -> None:
        """By parts of the depth, from what changed since the last frame, less what the surroundings share."""
        both = valid & self.known
        for index, pair in enumerate(both):
            if pair.sum() < LEAST_SAMPLES:
                continue
            change = np.where(pair, new[index] - self.last[index], 0)
            share = cv2.blur(pair.astype(np.float64), (LOCAL, LOCAL))
            change -= cv2.blur(change, (LOCAL, LOCAL)) / np.maximum(share, 1 / LOCAL**2)
            depth, size = new[index][pair], np.abs(change[pair])
            parts = np.array_split(np.argsort(depth), PARTS)
            places = [float(depth[part].mean()) for part in parts]
            noise = [float(np.quantile(size[part], WITHIN)) / np.sqrt(2) for part in parts]
            measured = np.interp(new[index], places, noise)
            self.noise[index] += (NOISE if self.measured else 1.0) * (measured - self.noise[index])
        self.measured = True
