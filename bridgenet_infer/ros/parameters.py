"""Parameters of the ROS nodes, checked before the first frame comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..backends.devices import Precision
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from .alignment import Alignment

Upsample = Callable[[npt.NDArray[np.generic], npt.NDArray[np.generic]], Any]
ENCODINGS = ("auto", "16UC1", "32FC1")


@dataclass(frozen=True)
class NodeParameters:
    """Parameters of a node; a field's name and default are the ROS parameter's.

    Attributes
    ----------
    weights, device, precision
        As for `DepthUpsampler.from_pretrained`.
    scale
        2 to 16, or "auto": from the two sizes.
    registered
        Depth lies in the RGB camera whatever its frame_id says.
    fill_holes
        Publish filled depth instead of holes.
    output_encoding
        "16UC1", "32FC1", or "auto": the input's.
    slop
        Seconds by which the stamps of a pair may differ.

    Raises
    ------
    ValueError
        If a value does not fit; the message names the parameter and what was received.
    """

    weights: str = DEFAULT_WEIGHTS
    scale: float | str = "auto"
    device: str = "auto"
    precision: str = "auto"
    registered: bool = False
    fill_holes: bool = False
    output_encoding: str = "auto"
    slop: float = 0.02

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("scale", self.scale == "auto" or _between(self.scale, 2, 16), "'auto' or a number from 2 to 16"),
            ("registered", isinstance(self.registered, bool), "true or false"),
            ("fill_holes", isinstance(self.fill_holes, bool), "true or false"),
            ("output_encoding", self.output_encoding in ENCODINGS, f"one of {', '.join(ENCODINGS)}"),
            # the synchronisers of ROS take stamps that differ by less than the slop: 0 matches nothing
            ("slop", _between(self.slop, 1e-9, 1e9), "a number of seconds above 0"),
        ):
            if not fits:
                raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)!r}")

    @classmethod
    def read(cls, get: Callable[[str, Any], Any]) -> NodeParameters:
        """Ask `get(name, default)` for each parameter; raises ValueError as the class does."""
        return cls(**{field.name: get(field.name, field.default) for field in fields(cls)})

    @property
    def encoding(self) -> str | None:
        """As `DepthNode` takes it."""
        return None if self.output_encoding == "auto" else self.output_encoding

    def alignment(self, rgb_topic: str, depth_topic: str) -> Alignment:
        """How depth of this topic comes to lie on images of that one."""
        return Alignment(self.scale, self.registered, rgb_topic, depth_topic)

    def load(self) -> Upsample:
        """Load the weights: a function (rgb, LR depth) -> depth; raises what `DepthUpsampler.from_pretrained` does."""
        upsampler = DepthUpsampler.from_pretrained(
            self.weights, device=self.device, precision=cast(Precision, self.precision)
        )
        return partial(upsampler, scale=self.scale, fill_holes=self.fill_holes)


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
