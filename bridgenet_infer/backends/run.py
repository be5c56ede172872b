"""Run the graph on batches of tiles. It may compute in half precision; its output is always finite float32."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from ..graph import Extras
from .cuda_graphs import Replay
from .devices import is_out_of_memory
from .per_scale import SingleNetwork

# what a batch may hold: small images and tiles fill a GPU together, a CPU's cache holds no more than one
BATCH_PIXELS = {"cuda": 4 * 2**20, "mps": 2**20}


def join(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Concatenate, along the batch unless told; a single part is not copied."""
    return torch.cat(list(parts), dim) if len(parts) > 1 else parts[0]


class TileRunner:
    """The graph on its device, for one call: what was learnt about memory and precision is kept that long.

    Parameters
    ----------
    model
        The network, float32, already on the device.
    dtype
        Of the trunk: float16 or float32. Normalised input and head stay float32 (see `DSRNet.reconstruct`).
    extras
        What to compute beside the residual.
    replay
        Stands in for the network in `dtype`, on CUDA.

    Attributes
    ----------
    home
        Where inputs are made and results are blended and restored: the GPU itself; the host for all that lacks
        float64.
    """

    def __init__(
        self,
        model: SingleNetwork,
        device: torch.device,
        dtype: torch.dtype,
        extras: Extras,
        replay: Replay | None = None,
    ) -> None:
        self.model, self.device, self.dtype, self.replay = model, device, dtype, replay
        self.home = device if device.type == "cuda" else torch.device("cpu")
        self.extras = extras
        self.max_pixels = BATCH_PIXELS.get(device.type, 0)
        self.warned = False

    def __call__(self, rgb: Tensor, d_up: Tensor) -> Tensor:
        """Run N tiles of one size, as many at a time as fit.

        Parameters
        ----------
        rgb, d_up
            (N, 3, h, w) in [0, 1] and (N, 1 or 2, h, w) as the graph wants it, float32 on `home`; h and w
            multiples of 16.

        Returns
        -------
        (N, 1 to 3, h, w) residual and extras, in the order of `Extras`, float32 on `home`.

        Raises
        ------
        ValueError
            If the result is not finite even in float32, which normalised depth cannot bring about.
        torch.OutOfMemoryError or another error of `is_out_of_memory`
            If not even one tile fits.
        """
        done: list[Tensor] = []
        count = min(self.batch_size(rgb[0, 0].numel()), len(rgb))
        while (position := sum(map(len, done))) < len(rgb):
            part = slice(position, position + count)
            try:
                done.append(self._run(rgb[part], d_up[part]))
            except (RuntimeError, MemoryError) as error:
                if count == 1 or not is_out_of_memory(error):
                    raise
                count //= 2
                self.max_pixels = count * rgb[0, 0].numel()
                warnings.warn(
                    f"out of memory on {self.device}: the call continues with batches of {count}", stacklevel=2
                )
        return join(done)

    @property
    def wants_validity(self) -> bool:
        """Whether D_up needs its second channel."""
        return self.model.config.validity_input

    def batch_size(self, pixels: int) -> int:
        """How many tiles of so many pixels run together."""
        return max(self.max_pixels // pixels, 1)

    def _run(self, rgb: Tensor, d_up: Tensor) -> Tensor:
        result = self._forward(rgb, d_up, self.dtype)
        finite = _are_finite(result)
        if finite.all():
            return result
        if self.dtype != torch.float32:
            if not self.warned:
                warnings.warn(
                    "half precision overflowed in some tiles: they were computed again in float32", stacklevel=2
                )
                self.warned = True
            broken = ~finite
            result[broken] = self._forward(rgb[broken], d_up[broken], torch.float32)
        if not _are_finite(result).all():
            raise ValueError("the network's result is not finite: its weights are broken")
        return result

    def _forward(self, rgb: Tensor, d_up: Tensor, dtype: torch.dtype) -> Tensor:
        if self.replay is not None and dtype == self.dtype:
            return self.replay(rgb, d_up)
        inputs = (x.to(self.device) for x in (rgb, d_up))
        return run_network(self.model, dtype, self.extras, *inputs).to(self.home)


def _are_finite(tiles: Tensor) -> Tensor:
    """(N, C, h, w) -> (N,) bool. NaN is passed on by both extremes, which are far cheaper than a map of bool."""
    values = tiles.flatten(1)
    return values.amin(1).isfinite() & values.amax(1).isfinite()


def run_network(model: SingleNetwork, dtype: torch.dtype, extras: Extras, rgb: Tensor, d_up: Tensor) -> Tensor:
    """(N, 1 to 3, h, w) float32: the residual and extras, from inputs on the model's device."""
    inputs = (x.contiguous(memory_format=torch.channels_last) for x in (rgb, d_up))
    with torch.autocast(rgb.device.type, dtype=torch.float16, enabled=dtype == torch.float16):
        outputs = model(*inputs, *extras)
    return join([output.float() for output in outputs if output is not None], 1)
