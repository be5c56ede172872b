"""The public API: inputs of any kind in, results of the same kind out."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache, partial
from itertools import product
from typing import Any, TypeVar, cast

import torch

from .backends.cuda_graphs import Replay
from .backends.devices import Precision, choose_device, choose_precision
from .backends.openvino import CompiledBridgeNet
from .backends.per_scale import Network, SingleNetwork, network_for, networks_of
from .backends.run import TileRunner, run_network
from .graph import Extras
from .pipeline.engine import upsample_frames
from .pipeline.frame import Results, make_frames, make_results
from .pipeline.restore import UpsampledDepth, drop_unsure, to_container
from .pipeline.tile import resolve_tiling, tile_size
from .pipeline.validate import (
    ArrayLike,
    LowResolutionDepth,
    check_depth,
    check_max_error,
    check_rgb,
    resolve_scale,
    suspect_marker,
)
from .weights import DEFAULT_WEIGHTS as DEFAULT_WEIGHTS
from .weights import Checkpoint, load_weights

SCALE_TOLERANCE = 1.1  # sizes that are no exact multiples give scales like 7.9
DepthLike = TypeVar("DepthLike", bound=ArrayLike)


class DepthUpsampler:
    """A loaded BridgeNet: load once, call often, from several threads if you like.

    Parameters
    ----------
    checkpoint
        The network, or one for each of several scales, with its name and trained scales; `from_pretrained` loads
        shipped and saved ones.
    device
        Where to run; by default (None or "auto") the first there is of cuda, mps and cpu. Networks for OpenVINO run
        on the CPU.
    precision
        "fp16" or "fp32" inside the network; "auto" is fp16 on CUDA. Normalisation, head and blending
        are float32 always, and tiles that overflow fp16 are run again in float32, with a warning. Networks for
        OpenVINO bring theirs along: "auto".

    Attributes
    ----------
    name, sha256
        Of the checkpoint.
    scales
        Least and largest trained scale, if known: others are answered with a warning.

    Raises
    ------
    ValueError
        If there is no such device or precision, or not for this network.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, device: str | torch.device | None = None, precision: Precision = "auto"
    ) -> None:
        networks = networks_of(checkpoint.model)
        compiled = isinstance(networks[0], CompiledBridgeNet)
        if compiled and (str(device or "auto") not in ("auto", "cpu") or precision != "auto"):
            found = f"device {str(device)!r} and precision {precision!r}"
            raise ValueError(f"OpenVINO weights run on the CPU, in their own precision, got {found}")
        self.device = choose_device("cpu" if compiled else device)
        self.dtype = choose_precision(precision, self.device)
        self.model: Network = checkpoint.model.to(self.device)
        self._replays: dict[tuple[SingleNetwork, Extras], Replay] = {}
        if self.device.type == "cuda":
            for network, *wanted in product(networks, (False, True), (False, True)):
                extras = Extras(*wanted)
                self._replays[network, extras] = Replay(partial(run_network, network, self.dtype, extras))
        self.name, self.sha256, self.scales = checkpoint.name, checkpoint.sha256, checkpoint.scales

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike[str] = DEFAULT_WEIGHTS,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        precision: Precision = "auto",
    ) -> DepthUpsampler:
        """Load a verified checkpoint.

        Parameters
        ----------
        weights
            Name in the manifest, .safetensors file, folder with one, or Hub repository ("owner/name", or
            "owner/name/checkpoint" if it holds several). Only what is neither bundled nor in the Hub cache is
            downloaded.
        revision
            Commit, tag or branch of a Hub repository.
        device, precision
            See the class.

        Raises
        ------
        ValueError
            If there is no such name, path, device or precision.
        OSError
            If the file cannot be read or downloaded, is damaged, or differs from its manifest's sha256 or size.
        ImportError
            If the weights are for OpenVINO, which is not installed.
        """
        return cls(load_weights(weights, revision), device=device, precision=precision)

    def __call__(
        self,
        rgb: ArrayLike,
        lr_depth: DepthLike,
        scale: float | str = "auto",
        *,
        fill_holes: bool = False,
        invalid: float | None = None,
        tile: int | str = "auto",
    ) -> DepthLike:
        """Up-sample depth to the size of its RGB image.

        Parameters
        ----------
        rgb
            (H, W, 3) or (B, H, W, 3), registered to the depth: uint8, uint16, or float in [0, 1]; NumPy, PIL, or
            a torch tensor with channels first. Grey is repeated, alpha ignored.
        lr_depth
            (h, w) or (B, h, w) depth or disparity in any unit: uint8/16/32, int16/32, float16/32/64; NumPy, PIL
            or torch. Holes are 0, and NaN or +-inf in floats.
        scale
            2 to 16, fractions included, or "auto"; sizes fit if |H - h s| < s and |W - w s| < s. Both images are
            taken to show the same extent.
        fill_holes
            Return filled depth instead of holes.
        invalid
            A further value that marks holes.
        tile
            Largest side of the overlapping, blended tiles, a multiple of 16 from 64; "auto" for 768; "whole" for
            one pass. Memory beyond inputs and result depends on the tile and the image's width only.

        Returns
        -------
        (H, W) or (B, H, W): the kind, dtype and unit of `lr_depth` (integers rounded, valid depth never 0), holes
        where the nearest LR sample is one. An image without a valid sample comes back as holes.

        Raises
        ------
        TypeError
            For containers, dtypes or image modes other than the above.
        ValueError
            For shapes, values, a scale or a tile that do not fit; the message names what was received.
        MemoryError
            If not even the least tile fits; before that, batches and tiles shrink, with a warning.

        Warns
        -----
        UserWarning
            If the weights were trained for other scales, or the depth is full of what looks like a mark for holes.
        """
        received, results, _ = self._upsample(rgb, lr_depth, scale, fill_holes, invalid, tile, Extras(), False)
        return cast(DepthLike, to_container(results.depth, received))

    def predict(
        self,
        rgb: ArrayLike,
        lr_depth: ArrayLike,
        scale: float | str = "auto",
        *,
        fill_holes: bool = False,
        invalid: float | None = None,
        tile: int | str = "auto",
        estimate_depth: bool = False,
        expect_error: bool = True,
        max_error: float | None = None,
    ) -> UpsampledDepth:
        """Up-sample depth, and tell where it is valid, at which scale and with which weights.

        Parameters
        ----------
        rgb, lr_depth, scale, fill_holes, invalid, tile
            As for a call.
        estimate_depth
            Also compute D_DE, the monocular depth estimate of MDENet.
        expect_error
            Also compute the expected error where the weights have a head for it; `max_error` needs it anyway.
        max_error
            Make holes of depth whose expected error, in the unit of depth, is greater: 0, or NaN in floats.

        Raises
        ------
        TypeError, ValueError, MemoryError
            As a call; ValueError also if the weights have no MDENet to estimate depth, or no head for `max_error`.
        """
        if estimate_depth and self.model.mde is None:
            raise ValueError(f"weights {self.name!r} have no MDENet, so they cannot estimate depth from RGB")
        check_max_error(max_error)
        if max_error is not None and not self.expects_error:
            raise ValueError(f"weights {self.name!r} have no head for the expected error, which max_error needs")
        extras = Extras(estimate_depth, self.expects_error and (expect_error or max_error is not None))
        received, results, scale = self._upsample(rgb, lr_depth, scale, fill_holes, invalid, tile, extras, True)
        if max_error is not None:
            drop_unsure(results, max_error)
        given: dict[str, Any] = {
            name: None if each is None else to_container(each, received) for name, each in vars(results).items()
        }
        return UpsampledDepth(**given, scale=scale, weights=self.name, sha256=self.sha256)

    def _upsample(
        self,
        rgb: ArrayLike,
        lr_depth: ArrayLike,
        scale: float | str,
        fill_holes: bool,
        invalid: float | None,
        tile: int | str,
        extras: Extras,
        with_validity: bool,
    ) -> tuple[LowResolutionDepth, Results, float]:
        received = check_depth(lr_depth, invalid)
        rgb_array = check_rgb(rgb, len(received.raw), received.batched)
        size = rgb_array.shape[1], rgb_array.shape[2]
        scale = resolve_scale(scale, received.raw.shape[1:], size)
        self._warn_of_other_scales(scale)
        if marker := suspect_marker(received):
            warnings.warn(marker, stacklevel=3)
        tiling = resolve_tiling(tile, size)
        results = make_results(size, received, valid=with_validity, extras=extras)
        frames = make_frames(rgb_array, received, results, fill_holes, self.model.config.normalisation)
        with torch.inference_mode():
            upsample_frames(frames, tiling, self._runner(network_for(self.model, scale), extras))
        return received, results, scale

    def warmup(
        self,
        height: int,
        width: int,
        *,
        tile: int | str = "auto",
        estimate_depth: bool = False,
        expect_error: bool = False,
    ) -> None:
        """Run every network as for an RGB image of this size: its memory, kernels and CUDA graphs are ready then.

        A call needs neither `estimate_depth` nor `expect_error`; `predict` needs the latter where the weights have it.

        Raises
        ------
        ValueError
            For a tile that does not fit, or if the weights have no part for what is asked.
        """
        size = (height, width)
        side = tile_size(size, resolve_tiling(tile, size))
        channels = 2 if self.model.config.validity_input else 1
        with torch.inference_mode():
            for network in networks_of(self.model):
                runner = self._runner(network, Extras(estimate_depth, expect_error))
                for _ in range(2 if self._replays else 1):  # what comes twice is recorded
                    runner(*(torch.zeros(1, count, *side, device=runner.home) for count in (3, channels)))

    def supports_scale(self, scale: float) -> bool:
        """Whether the weights were trained for this scale (a tenth beyond their range counts), or do not say."""
        low, high = self.scales or (scale, scale)
        return low / SCALE_TOLERANCE <= scale <= high * SCALE_TOLERANCE

    @property
    def expects_error(self) -> bool:
        """Whether the weights have a head for the expected error."""
        return self.model.expects_error

    def _runner(self, network: SingleNetwork, extras: Extras) -> TileRunner:
        return TileRunner(network, self.device, self.dtype, extras, self._replays.get((network, extras)))

    def _warn_of_other_scales(self, scale: float) -> None:
        if self.scales is not None and not self.supports_scale(scale):
            low, high = self.scales
            trained = f"x{low:g}" if low == high else f"x{low:g} to x{high:g}"
            warnings.warn(f"weights {self.name!r} were trained for {trained}, not for x{scale:g}", stacklevel=4)


def upsample_depth(
    rgb: ArrayLike,
    lr_depth: DepthLike,
    scale: float | str = "auto",
    *,
    weights: str | os.PathLike[str] = DEFAULT_WEIGHTS,
    revision: str | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "auto",
    fill_holes: bool = False,
    invalid: float | None = None,
    tile: int | str = "auto",
) -> DepthLike:
    """Up-sample depth to the size of its RGB image; the model stays loaded between calls.

    Parameters
    ----------
    rgb
        (H, W, 3) or (B, H, W, 3), registered to the depth: uint8, uint16, or float in [0, 1]; NumPy, PIL, or
        a torch tensor with channels first. Grey is repeated, alpha ignored.
    lr_depth
        (h, w) or (B, h, w) depth or disparity in any unit: uint8/16/32, int16/32, float16/32/64; NumPy, PIL
        or torch. Holes are 0, and NaN or +-inf in floats.
    scale
        2 to 16, fractions included, or "auto": from the two sizes, which fit if |H - h s| < s and |W - w s| < s.
    weights
        Name of a checkpoint, .safetensors file, folder with one, or Hub repository.
    revision
        Commit, tag or branch of a Hub repository.
    device
        Where to run; by default (None or "auto") the first there is of cuda, mps and cpu.
    precision
        "fp16" or "fp32" inside the network; "auto" is fp16 on CUDA.
    fill_holes
        Return filled depth instead of holes.
    invalid
        A further value that marks holes.
    tile
        Largest side of the tiles of a large image, a multiple of 16 from 64; "auto" for 768; "whole" for one pass.

    Returns
    -------
    (H, W) or (B, H, W): the kind, dtype and unit of `lr_depth`, holes where the nearest LR sample is one.

    Raises
    ------
    TypeError, ValueError
        For containers, dtypes, image modes, shapes, values, a scale, a tile, a device, a precision or a name of weights
        that do not fit.
    OSError, ImportError
        If the weights cannot be read or downloaded, are damaged, or are for OpenVINO, which is not installed.
    MemoryError
        If not even the least tile fits.
    """
    upsampler = _cached_upsampler(os.fspath(weights), revision, str(device or "auto"), precision)
    return upsampler(rgb, lr_depth, scale, fill_holes=fill_holes, invalid=invalid, tile=tile)


@lru_cache(maxsize=4)
def _cached_upsampler(weights: str, revision: str | None, device: str, precision: Precision) -> DepthUpsampler:
    return DepthUpsampler.from_pretrained(weights, revision=revision, device=device, precision=precision)
