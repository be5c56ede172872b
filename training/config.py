"""The TOML file of a training run as frozen dataclasses."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bridgenet_infer.graph import BridgeNetConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class DataConfig:
    """The content of a batch.

    A step takes `batch` patches of side `patch`, in `parts` of one scale, kernel or sensor each. Shares are
    probabilities per sample (`jitter_share`, `integer_share`, `sensor_share`: per part).
    """

    scales: tuple[float, ...] = (4.0, 8.0, 16.0)
    scale_weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    jitter_share: float = 0.2  # scale log-uniform between the first and the last of `scales`
    batch: int = 8
    parts: int = 1  # scales drawn from strata, so that each step sees small and large ones
    patch: int = 128
    kernel_weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)  # of `degrade.LR_KERNELS`
    sensor_share: float = 0.0  # degraded as by one of `sensors.SENSORS` instead of a kernel
    hole_share: float = 0.0  # of the samples shrunk by a kernel: with holes, filled as in serving
    guide_shift: float = 2.0  # greatest misregistration of a sensor's guide, HR pixels
    guide_shift_power: float = 1.0  # above 1 small ones are likelier: guide_shift * uniform ** power
    far_share: float = 0.0  # a layer 1 to 100 ranges away is laid over part of the image
    pool_size: int = 256
    coarse_pool_size: int = 0  # of the images for scales beyond 8, if they are to be larger
    procedural: int = 2000
    raycast: int = 0
    resized: int = 0  # versions of each real scene at random sizes between half and twice, beside its own
    pool_seed: int = 1
    real_share: float = 0.5
    integer_share: float = 0.8
    affine_share: float = 0.5
    invert_share: float = 0.5
    edge_focus: float = 0.5


@dataclass(frozen=True)
class OptimConfig:
    """Muon for wide kernels, AdamW for the rest; or the paper's two Adams (Section 4.1).

    Rates rise for `warmup` steps, stay, and fall linearly to zero in the last `decay` of all `steps`.
    """

    steps: int = 1000
    decay: int = 0
    warmup: int = 100
    learning_rate: float = 1e-3
    muon_rate: float = 0.02
    muon_decay: float = 0.3
    gate_rate: float = 1e-4  # AdamW's, of attention gates: at 1e-3 they close for good within 400 steps
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    two_optimisers: bool = False  # the paper: one Adam per subnetwork, no Muon
    mde_weight: float = 0.1
    mde_every: int = 1  # steps between two with L_MDE, which is a third of a step's cost
    huber: float = 0.0  # errors below this share of the range count quadratically; 0 is the paper's L1
    clip_norm: float = 1.0
    ema: float = 0.999
    half_precision: bool = True  # bf16 trunk, on CUDA only


@dataclass(frozen=True)
class RunConfig:
    """One training run."""

    name: str
    seed: int = 1
    validate_every: int = 500
    checkpoint_every: int = 100
    validation_scales: tuple[int, ...] = (4, 8, 16)
    network_scale: float | None = None  # of a network that is one of several in a checkpoint
    model: BridgeNetConfig = BridgeNetConfig()
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()


T = TypeVar("T")


def _section(kind: type[T], fields: dict[str, Any]) -> T:
    unknown = set(fields) - {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"unknown fields for {kind.__name__}: {sorted(unknown)}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


def load_config(path: Path) -> RunConfig:
    """Read a run's TOML file; ValueError names fields that do not exist."""
    return make_config(path.stem, read_toml(path))


def make_config(name: str, fields: dict[str, Any]) -> RunConfig:
    """A run's fields as in its TOML file; `name` holds unless they have one. ValueError as `load_config`."""
    flat = {key: value for key, value in fields.items() if key not in ("model", "data", "optim")}
    model = BridgeNetConfig.from_dict(fields.get("model", {}))
    if model.normalisation != "local":
        raise ValueError("weights are trained with local normalisation alone")
    sections = {
        "model": model,
        "data": _section(DataConfig, fields.get("data", {})),
        "optim": _section(OptimConfig, fields.get("optim", {})),
    }
    return _section(RunConfig, {"name": name, **flat, **sections})


def read_toml(path: Path) -> dict[str, Any]:
    """The file's content; OSError or ValueError (syntax) if it cannot be read."""
    with path.open("rb") as file:
        content: dict[str, Any] = tomllib.load(file)
    return content
