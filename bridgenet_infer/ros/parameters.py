"""Parameters of the ROS nodes: names, defaults, what is allowed, and what may change while the node runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, cast

from ..backends.devices import Precision
from ..registration import Floats
from ..temporal import Temporal
from ..upsampler import DepthUpsampler
from .alignment import Alignment
from .matching import QUEUE_SIZE, Kind
from .transforms import StaticTransforms, rigid

PLACING = ("scale", "invalid", "registered", "extrinsics")  # parameters that say where depth lies
SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


class Upsample(Protocol):
    """(rgb, LR depth) -> depth, as a `DepthUpsampler` does it."""

    def __call__(self, rgb: Any, lr_depth: Any, /, *, scale: float | str, fill_holes: bool) -> Any:
        """Up-sample one frame."""
        ...


@dataclass(frozen=True)
class Rule:
    """What a parameter means and takes.

    Attributes
    ----------
    description
        One line.
    allowed
        In words, for "must be ...".
    fits
        Whether a value is allowed.
    span
        The smallest and the largest number, if the parameter is one.
    fixed
        It is read once, when the node starts.
    ros2_only
        It says something about ROS 2 alone.
    """

    description: str
    allowed: str
    fits: Callable[[Any], bool]
    span: tuple[float, float] | None = None
    fixed: bool = False
    ros2_only: bool = False


def _parameter(default: Any, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


def _text(default: str, description: str, *, fixed: bool = True) -> Any:
    return _parameter(default, Rule(description, "a text", lambda v: isinstance(v, str) and bool(v), fixed=fixed))


def _choice(
    default: str, choices: tuple[str, ...], description: str, *, fixed: bool = False, ros2_only: bool = False
) -> Any:
    allowed = f"one of {', '.join(choices)}"
    return _parameter(default, Rule(description, allowed, lambda v: v in choices, fixed=fixed, ros2_only=ros2_only))


def _switch(default: bool, description: str) -> Any:
    return _parameter(default, Rule(description, "true or false", lambda v: isinstance(v, bool)))


@dataclass(frozen=True)
class NodeParameters:
    """Parameters of a node; a field's name and default are the ROS parameter's, `rules` has the rest.

    Raises
    ------
    ValueError
        If a value does not fit; the message names the parameter, what is allowed and what was received.
    """

    weights: str = _text("sensor", "name, file, folder or Hub repository of the weights")
    device: str = _text("auto", "auto, cpu, cuda or mps")
    precision: str = _choice("auto", ("auto", "fp16", "fp32"), "of the network's arithmetic", fixed=True)
    scale: float | str = _parameter("auto", Rule(
        "HR over LR; auto: from the two sizes, or from the focal lengths where depth is registered",
        "'auto' or a number from 2 to 16", lambda v: v == "auto" or _between(v, 2, 16), (2.0, 16.0),
    ))  # fmt: skip
    invalid: float | str = _parameter("none", Rule(
        "a further value that marks holes in the depth, as its messages hold it",
        "'none' or a finite number", lambda v: v == "none" or (_between(v, -math.inf, math.inf) and math.isfinite(v)),
    ))  # fmt: skip
    fill_holes: bool = _switch(False, "publish filled depth instead of holes")
    temporal: bool = _switch(False, "average depth over time, where it does not move")
    smoothing: float = _parameter(Temporal.smoothing, Rule(
        "share of the new frame in the average over time; 1 leaves depth as it is",
        "a number from 0.01 to 1", lambda v: _between(v, 0.01, 1), (0.01, 1.0),
    ))  # fmt: skip
    threshold: float = _parameter(Temporal.threshold, Rule(
        "standard deviations of the noise beyond which a sample has moved",
        "a number from 0.1 to 100", lambda v: _between(v, 0.1, 100), (0.1, 100.0),
    ))  # fmt: skip
    persistence: int = _parameter(Temporal.persistence, Rule(
        "frames for which a hole keeps the average over time",
        "a whole number from 0 to 100", lambda v: isinstance(v, int) and _between(v, 0, 100), (0, 100),
    ))  # fmt: skip
    output_encoding: str = _choice("auto", ("auto", "16UC1", "32FC1"), "of the result; auto: as depth comes")
    registered: bool = _switch(False, "depth lies in the RGB camera whatever its frame_id says")
    extrinsics: str = _parameter("", Rule(
        "'x y z qx qy qz qw': pose of the depth camera in the RGB camera's frame, in metres, in place of /tf_static",
        "seven numbers with spaces between them, or empty", lambda v: _is_pose(v),
    ))  # fmt: skip
    slop: float = _parameter(0.02, Rule(
        "seconds by which the stamps of a pair may differ",
        "a number of seconds from 0 to 10", lambda v: _between(v, 0, 10), (0.0, 10.0),
    ))  # fmt: skip
    lazy: bool = _switch(True, "compute nothing while nobody subscribes to the result")
    warmup_size: str = _parameter("640x480", Rule(
        "size of the RGB image that the network is run with before the first frame comes; empty: not at all",
        "WIDTHxHEIGHT or empty", lambda v: v == "" or (isinstance(v, str) and SIZE.fullmatch(v) is not None),
        fixed=True,
    ))  # fmt: skip
    rgb_transport: str = _choice("raw", ("raw", "compressed"), "image_transport's name for the RGB topic", fixed=True)
    depth_transport: str = _choice(
        "raw", ("raw", "compressed", "compressedDepth"), "image_transport's name for the depth topic", fixed=True
    )
    reliability: str = _choice(
        "best_effort", ("best_effort", "reliable"), "of the subscriptions to images", fixed=True, ros2_only=True
    )
    queue_size: int = _parameter(QUEUE_SIZE, Rule(
        "messages that each subscription and publisher keeps, and that wait for a partner",
        "a whole number from 1 to 1000", lambda v: isinstance(v, int) and _between(v, 1, 1000), (1, 1000), fixed=True,
    ))  # fmt: skip

    def __post_init__(self) -> None:
        for name, rule in rules().items():
            value = getattr(self, name)
            if not rule.fits(value):
                raise ValueError(f"{name} must be {rule.allowed}, got {value!r}")

    @classmethod
    def read(cls, get: Callable[[str, Any], Any], *, ros2: bool) -> NodeParameters:
        """Ask `get(name, default)` for each parameter that there is in ROS 1 or 2; raises ValueError as the class does.

        The message tells about the first one that does not fit.
        """
        named = {each.name: each for each in fields(cls) if ros2 or not rules()[each.name].ros2_only}
        return cls(**{name: get(name, each.default) for name, each in named.items()})

    def changed(self, changes: Mapping[str, Any]) -> NodeParameters:
        """A copy with other values, as a running node takes them.

        Raises
        ------
        ValueError
            If one does not fit, or is read only when the node starts.
        """
        for name in changes:
            if rules()[name].fixed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r} and read-only: it is read when the node starts, "
                    f"got {changes[name]!r}"
                )
        return replace(self, **changes)

    @property
    def encoding(self) -> str | None:
        """Of the result; None: as depth comes."""
        return None if self.output_encoding == "auto" else self.output_encoding

    @property
    def steadying(self) -> Temporal | None:
        """The settings of the average over time; None if it is not asked for."""
        return Temporal(self.smoothing, self.threshold, self.persistence) if self.temporal else None

    @property
    def pose(self) -> Floats | None:
        """(4, 4) points of the depth camera to the RGB camera, as `extrinsics` says; None if it says nothing."""
        return _pose(self.extrinsics) if self.extrinsics.strip() else None

    @property
    def marker(self) -> float | None:
        """Of holes, as `invalid` says; None if it says nothing."""
        return None if isinstance(self.invalid, str) else self.invalid

    def alignment(self, topics: Mapping[Kind, str], *, hears_transforms: bool = True) -> Alignment:
        """How depth comes to lie on RGB images, whose topics have these names."""
        transforms = StaticTransforms() if hears_transforms else None
        return Alignment(
            self.scale, self.registered, topics["rgb"], topics["depth"], self.pose, transforms=transforms,
            invalid=self.marker,
        )  # fmt: skip

    def load(self) -> Upsample:
        """Load the weights and run them once; raises what `DepthUpsampler.from_pretrained` does."""
        upsampler = DepthUpsampler.from_pretrained(
            self.weights, device=self.device, precision=cast(Precision, self.precision)
        )
        if size := SIZE.fullmatch(self.warmup_size):
            upsampler.warmup(int(size[2]), int(size[1]))
        return upsampler


def rules() -> dict[str, Rule]:
    """Those of all parameters, by name."""
    return {each.name: each.metadata["rule"] for each in fields(NodeParameters)}


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _pose(text: str) -> Floats:
    numbers = [float(word) for word in text.split()]
    if len(numbers) != 7:
        raise ValueError(f"{len(numbers)} numbers, not 7")
    return rigid(numbers[:3], numbers[3:])


def _is_pose(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return not value.strip() or len(_pose(value)) > 0
    except ValueError:
        return False
