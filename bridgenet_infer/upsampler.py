"""The public API: validate, normalise, interpolate, run, restore."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .graph import BridgeNet
from .holes import fill_holes as fill_depth_holes
from .normalise import Normalisation, Space, measure_normalisation, to_tensor
from .resample import resize_bicubic
from .restore import Restored, restore_holes, to_container, to_dtype
from .run import run_network
from .validate import ArrayLike, LowResolutionDepth, check_depth, check_rgb, resolve_scale
from .weights import load_weights

DEFAULT_WEIGHTS = "lite"


@dataclass(frozen=True)
class UpsampledDepth:
    """Result with details.

    Attributes
    ----------
    depth
        (H, W) or (B, H, W): kind, dtype and unit of the LR depth.
    valid
        Same shape, bool: False where the LR depth had a hole (nearest neighbour). A NumPy array for PIL input.
    estimated_depth
        D_DE, the monocular estimate, float32, relative: about 0 to 1, larger is nearer. None unless asked for.
    scale
        The up-sampling factor used.
    weights, sha256
        Name and file hash of the checkpoint.
    """

    depth: Restored
    valid: Restored
    estimated_depth: Restored | None
    scale: float
    weights: str
    sha256: str


class DepthUpsampler:
    """A loaded BridgeNet: load once, call often, from several threads if you like.

    Parameters
    ----------
    model
        A graph; use `from_pretrained` for shipped or saved weights.
    device
        Where to run; "cuda" if there is one, else "cpu", by default.
    weights, sha256
        What the result's details name.
    """

    def __init__(
        self,
        model: BridgeNet,
        *,
        device: str | torch.device | None = None,
        weights: str = "",
        sha256: str = "",
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device)
        self.weights, self.sha256 = weights, sha256

    @classmethod
    def from_pretrained(
        cls, weights: str | os.PathLike[str] = DEFAULT_WEIGHTS, *, device: str | torch.device | None = None
    ) -> DepthUpsampler:
        """Load a checkpoint by manifest name, file or folder; it never touches the network.

        Raises
        ------
        ValueError
            If there is no such name or path.
        OSError
            If the file is unreadable, damaged, or differs from the manifest's sha256 or size.
        """
        loaded = load_weights(weights)
        return cls(loaded.model, device=device, weights=loaded.name, sha256=loaded.sha256)

    @overload
    def __call__(
        self, rgb: ArrayLike, lr_depth: ArrayLike, scale: float | str = ..., *, fill_holes: bool = ...,
        space: Space = ..., invalid: float | None = ..., return_details: Literal[True], estimate_depth: bool = ...,
    ) -> UpsampledDepth: ...  # fmt: skip

    @overload
    def __call__(
        self, rgb: ArrayLike, lr_depth: npt.NDArray[np.generic], scale: float | str = ..., *, fill_holes: bool = ...,
        space: Space = ..., invalid: float | None = ..., return_details: Literal[False] = ...,
        estimate_depth: bool = ...,
    ) -> npt.NDArray[np.generic]: ...  # fmt: skip

    @overload
    def __call__(
        self, rgb: ArrayLike, lr_depth: ArrayLike, scale: float | str = ..., *, fill_holes: bool = ...,
        space: Space = ..., invalid: float | None = ..., return_details: bool = ..., estimate_depth: bool = ...,
    ) -> Restored | UpsampledDepth: ...  # fmt: skip

    def __call__(
        self,
        rgb: ArrayLike,
        lr_depth: ArrayLike,
        scale: float | str = "auto",
        *,
        fill_holes: bool = False,
        space: Space = "linear",
        invalid: float | None = None,
        return_details: bool = False,
        estimate_depth: bool = False,
    ) -> Restored | UpsampledDepth:
        """Up-sample depth to the size of its RGB image.

        Parameters
        ----------
        rgb
            (H, W, 3) or (B, H, W, 3), registered to the depth: uint8, uint16, or float in [0, 1]; NumPy, PIL, or
            a torch tensor with channels first. Grey is repeated, alpha ignored.
        lr_depth
            (h, w) or (B, h, w) depth or disparity in any unit: uint8, uint16, int32, float16/32/64; NumPy, PIL
            or torch. Holes are 0, and NaN or +-inf in floats.
        scale
            2 to 16, whole or not, or "auto"; sizes fit if |H - h s| < s and |W - w s| < s. Both images are
            taken to show the same extent.
        fill_holes
            Return filled depth instead of holes.
        space
            "linear", or "inverse": normalise 1 / depth, for ranges as wide as 0.5 to 80 m.
        invalid
            A further value that marks holes.
        return_details
            Return an `UpsampledDepth` instead of the depth alone.
        estimate_depth
            Also compute D_DE for the details.

        Returns
        -------
        (H, W) or (B, H, W): the kind, dtype and unit of `lr_depth` (integers rounded, valid depth never 0), holes
        where the nearest LR sample is one. An image without a valid sample comes back as holes.

        Raises
        ------
        TypeError
            For containers, dtypes or image modes other than the above.
        ValueError
            For shapes, values or a scale that do not fit; the message names what was received.
        """
        received = check_depth(lr_depth, invalid)
        rgb_array = check_rgb(rgb, len(received.raw), received.batched)
        size = rgb_array.shape[1:3]
        factor = resolve_scale(scale, received.raw.shape[1:], size)
        if estimate_depth and self.model.mde is None:
            raise ValueError(f"weights {self.weights!r} have no MDENet: no depth estimate")
        d_sr, d_de, rules = self._super_resolve(rgb_array, received, space, estimate_depth)
        depth, valid = restore_holes(_restore_units(d_sr, rules, received), received, fill_holes)
        if not return_details:
            return to_container(depth, received)
        return UpsampledDepth(
            depth=to_container(depth, received),
            valid=to_container(valid, received),
            estimated_depth=None if d_de is None else to_container(d_de.numpy(), received),
            scale=factor,
            weights=self.weights,
            sha256=self.sha256,
        )

    @torch.inference_mode()
    def _super_resolve(
        self, rgb: npt.NDArray[np.float32], received: LowResolutionDepth, space: Space, estimate_depth: bool
    ) -> tuple[Tensor, Tensor | None, list[Normalisation | None]]:
        """Normalised D_SR and D_DE (B, H, W) on the CPU, and the rules that lead back to the caller's unit."""
        normalised, rules = _normalise(received, space)
        d_up = resize_bicubic(to_tensor(normalised, self.device), rgb.shape[1:3])
        rgb_tensor = torch.from_numpy(rgb).permute(0, 3, 1, 2).to(self.device)
        d_sr, d_de = run_network(self.model, rgb_tensor, d_up, estimate_depth)
        return d_sr[:, 0].cpu(), None if d_de is None else d_de[:, 0].cpu(), rules


def upsample_depth(
    rgb: ArrayLike,
    lr_depth: ArrayLike,
    scale: float | str = "auto",
    *,
    weights: str | os.PathLike[str] = DEFAULT_WEIGHTS,
    device: str | torch.device | None = None,
    fill_holes: bool = False,
    space: Space = "linear",
    invalid: float | None = None,
    return_details: bool = False,
    estimate_depth: bool = False,
) -> Restored | UpsampledDepth:
    """Up-sample depth to the size of its RGB image; the model stays loaded between calls.

    `weights` and `device` as in `DepthUpsampler.from_pretrained`, everything else, the result and the errors as
    in `DepthUpsampler.__call__`.
    """
    return _cached_upsampler(os.fspath(weights), str(device or ""))(
        rgb,
        lr_depth,
        scale,
        fill_holes=fill_holes,
        space=space,
        invalid=invalid,
        return_details=return_details,
        estimate_depth=estimate_depth,
    )


@lru_cache(maxsize=4)
def _cached_upsampler(weights: str, device: str) -> DepthUpsampler:
    return DepthUpsampler.from_pretrained(weights, device=device or None)


def _normalise(
    received: LowResolutionDepth, space: Space
) -> tuple[list[npt.NDArray[np.float32]], list[Normalisation | None]]:
    """Normalised hole-free LR maps, and per image the rule that leads back (None: nothing is valid)."""
    maps: list[npt.NDArray[np.float32]] = []
    rules: list[Normalisation | None] = []
    for raw, valid in zip(received.raw, received.valid, strict=True):
        if not valid.any():
            maps.append(np.zeros(raw.shape, np.float32))
            rules.append(None)
            continue
        rule = measure_normalisation(raw, valid, space)
        maps.append(rule.apply(fill_depth_holes(raw.astype(np.float64), valid)))
        rules.append(rule)
    return maps, rules


def _restore_units(
    d_sr: Tensor, rules: list[Normalisation | None], received: LowResolutionDepth
) -> npt.NDArray[np.generic]:
    """Normalised D_SR (B, H, W) -> the received unit and dtype."""
    dtype = received.raw.dtype
    return np.stack(
        [
            np.zeros(x.shape, dtype) if rule is None else to_dtype(rule.undo(x).numpy(), dtype)
            for x, rule in zip(d_sr, rules, strict=True)
        ]
    )
