"""The work behind the page, from a visitor's choice to pictures and files. It knows nothing of Gradio."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ..pipeline.validate import check_depth
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from ..visualise import Picture, colourise_depth, colourise_error, depth_span, error_limit
from ..weights import read_manifest
from ..write import can_hold, write_depth
from . import wording
from .cloud import canvas_cloud, cloud_file
from .compare import Comparison, compare
from .intake import REFUSALS, read_inputs, refusal
from .pictures import blocks, eight_bit, fit
from .scenes import BUNDLED_SCALE, FIELD_OF_VIEW, Inputs, load_scene

OWN = "own files"
NAMES = ("the RGB file", "the depth file", "the file of exact depth")


class Refusal(Exception):
    """The choice cannot be up-sampled; the message is fit for strangers."""


@dataclass(frozen=True)
class Choice:
    """The choice of a visitor.

    Attributes
    ----------
    source
        A scene's name or `OWN`.
    scene_scale
        How many times a scene's LR depth is smaller.
    files
        Paths of RGB, LR depth and exact depth for `OWN`; None where there is none.
    """

    source: str
    scene_scale: int = BUNDLED_SCALE
    files: tuple[str | None, str | None, str | None] = (None, None, None)

    def load(self) -> Inputs:
        """The scene, or the files; errors as in `load_scene` and `read_inputs`."""
        return read_inputs(*self.files) if self.source == OWN else load_scene(self.source, self.scene_scale)


@dataclass(frozen=True)
class Settings:
    """How it is to be done: as in the API, `field_of_view` in degrees for own files' point clouds."""

    weights: str = DEFAULT_WEIGHTS
    scale: float | str = "auto"
    fill_holes: bool = False
    field_of_view: float = FIELD_OF_VIEW


@dataclass(frozen=True)
class Shown:
    """A run on the page.

    Attributes
    ----------
    depths, errors
        Pictures of bicubic and of ours; no errors where exact depth is not known.
    depth_legend, error_legend, facts
        HTML.
    cloud
        For the canvas, see `canvas_cloud`.
    result, points
        Files to download.
    kind
        What the result file is, such as "16-bit PNG".
    """

    depths: tuple[Picture, Picture]
    depth_legend: str
    errors: tuple[Picture, Picture] | None
    error_legend: str
    cloud: str
    facts: str
    result: Path
    kind: str
    points: Path


class Service:
    """Loads weights and does runs.

    Parameters
    ----------
    folder
        Where the files to download are put.
    weights
        What is chosen at first: loaded at once, so that a mistake shows before the page does.

    Attributes
    ----------
    weights
        What can be chosen, as it is called on the page -> as it was named here, which may be a path.
    """

    def __init__(self, folder: Path, weights: str = DEFAULT_WEIGHTS) -> None:
        self.folder = folder
        self._load = lru_cache(maxsize=None)(DepthUpsampler.from_pretrained)
        self.first = self._load(weights).name
        bundled = [name for name in read_manifest() if not name.endswith("int8") or find_spec("openvino")]
        self.weights = {self.first: weights, **{name: name for name in bundled if name != self.first}}

    def preview(self, choice: Choice) -> tuple[Picture, Picture, str] | None:
        """RGB, LR depth and a line about them; None while own files are missing.

        Raises
        ------
        Refusal
            If the inputs cannot be read.
        """
        if choice.source == OWN and not all(choice.files[:2]):
            return None
        with _refusing(choice):
            inputs = choice.load()
            received = check_depth(inputs.lr_depth)
            lr, valid = received.raw[0], received.valid[0]
            rgb = fit(eight_bit(inputs.rgb))
            small = fit(colourise_depth(lr, depth_span(lr, valid), valid, logarithmic=True))
            return rgb, blocks(small, (rgb.shape[0], rgb.shape[1])), wording.given(inputs.rgb, lr)

    def run(self, choice: Choice, settings: Settings) -> Shown:
        """Up-sample and compare.

        Raises
        ------
        Refusal
            If inputs or settings do not fit.
        """
        with _refusing(choice):
            if settings.weights not in self.weights:
                raise ValueError(f"weights must be one of {', '.join(self.weights)}, got {settings.weights!r}")
            upsampler, inputs = self._load(self.weights[settings.weights]), choice.load()
            result = compare(
                upsampler, inputs, settings.scale if choice.source == OWN else "auto", fill_holes=settings.fill_holes
            )
            view = settings.field_of_view if choice.source == OWN else FIELD_OF_VIEW
            return self._show(inputs, result, view, str(upsampler.device))

    def _show(self, inputs: Inputs, result: Comparison, field_of_view: float, device: str) -> Shown:
        depth, valid, plain, errors = result.depth, result.valid, result.bicubic, result.errors
        span = depth_span(depth, valid)
        plain_depth, our_depth = (colourise_depth(d, span, valid, logarithmic=True) for d in (plain, depth))
        most, painted = 0.0, None
        if errors:
            most = error_limit(errors.bicubic, errors.known)
            plain_error, our_error = (colourise_error(e, most, errors.known) for e in (errors.bicubic, errors.ours))
            painted = fit(plain_error), fit(our_error)
        suffix = next(suffix for suffix in (".png", ".tif", ".npy") if can_hold(suffix, depth.dtype))
        room = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        target, points = room / f"depth_x{result.scale:g}{suffix}", room / "points.ply"
        write_depth(target, depth)
        points.write_bytes(cloud_file(inputs.rgb, depth, valid, field_of_view))
        return Shown(
            depths=(fit(plain_depth), fit(our_depth)),
            depth_legend=wording.depth_legend(span, inputs.unit),
            errors=painted,
            error_legend=wording.error_legend(errors, most, inputs.unit),
            cloud=canvas_cloud(inputs.rgb, {"bicubic": plain, "bridgenet-infer": depth}, valid, field_of_view),
            facts=wording.facts(result, inputs.unit, device),
            result=target,
            kind=f"{8 * depth.dtype.itemsize}-bit {suffix[1:].upper()}",
            points=points,
        )


@contextmanager
def _refusing(choice: Choice) -> Iterator[None]:
    """Turn errors of reading and up-sampling into a `Refusal`; any other error is a mistake of ours and passes."""
    try:
        yield
    except REFUSALS as error:
        raise Refusal(refusal(error, dict(zip(choice.files, NAMES, strict=True)))) from error
