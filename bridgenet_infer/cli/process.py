"""Work through pairs: read, up-sample and write each, and go on where one fails."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from ..files import remove_leftovers, write_atomically
from ..read import read_depth, read_rgb
from ..scans import Scan, open_scan
from ..write import can_hold, check_depth_path, write_depth, write_preview
from .pairs import Pair
from .units import check_reach, convert, error_factor, question_unit, target_dtype, unit_of

if TYPE_CHECKING:
    from ..upsampler import DepthUpsampler

PIXEL_LIMIT = 2**30  # as OpenCV's own; Pillow's is made for web servers and refuses large surveys
# what a bad file or a full disk raises; RuntimeError and MemoryError: what a device without memory does
FAILURES = (OSError, ValueError, TypeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one pair: the reason of a failure, or figures of the written depth."""

    pair: Pair
    status: Literal["written", "skipped", "failed"]
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


class Job:
    """One command: its options, its scan if it has one, and the up-sampler, which the first pair loads.

    Raises
    ------
    OSError, ValueError, ImportError
        If its scan cannot be read, see `scans.open_scan`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.scan: Scan | None = None
        if options.depth is None:
            self.scan = open_scan(options.rgb, options.min_confidence)
            known = {"per_metre": self.scan.per_metre, "format": options.format or "png"}
            options = argparse.Namespace(**vars(options) | known)
        self.options = options
        self.many = options.depth is None or options.rgb.is_dir()
        self.loaded: DepthUpsampler | None = None
        self.looks = 0  # at the alignment of pairs
        Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT  # of the process that works on it

    def run(self, pairs: list[Pair]) -> Iterator[Outcome]:
        """Work through the pairs, one outcome each.

        Raises
        ------
        OSError, ValueError
            If weights, device or precision are not to be had: that stops everything.
        """
        self.prepare()
        for pair in pairs:
            yield self.process(pair)

    def prepare(self) -> None:
        """Make the folder of a folder run, and remove unfinished files that killed runs left there."""
        if self.many:
            self.options.output.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.options.output)

    def process(self, pair: Pair) -> Outcome:
        """Work on one pair; an error of its files becomes its outcome.

        Raises
        ------
        OSError, ValueError
            As `run`.
        """
        try:
            if self._finished(pair):
                return Outcome(pair, "skipped", "finished before")
            prepared = self._read(pair)
        except FAILURES as error:
            return Outcome(pair, "failed", describe(error))
        upsampler = self.upsampler()
        try:
            return Outcome(pair, "written", figures=self._upsample(pair, *prepared, upsampler))
        except FAILURES as error:
            return Outcome(pair, "failed", describe(error))

    def upsampler(self) -> DepthUpsampler:
        """The up-sampler, loaded once."""
        if self.loaded is None:
            from ..upsampler import DepthUpsampler  # torch takes seconds

            options = self.options
            self.loaded = DepthUpsampler.from_pretrained(
                options.weights, revision=options.revision, device=options.device, precision=options.precision
            )
            if (options.expected_error or options.max_error is not None) and not self.loaded.expects_error:
                raise ValueError(
                    f"weights {options.weights!r} have no head for the expected error, which --expected-error and "
                    "--max-error need"
                )
        return self.loaded

    def _finished(self, pair: Pair) -> bool:
        """Whether an earlier run has done this pair; a camera or preview that it did not come to is made now."""
        for target in pair.targets:
            sources = [source for source in (pair.rgb, pair.depth) if source.exists()]  # not within a file
            if target.exists() and any(map(target.samefile, sources)):
                raise ValueError(f"{target} is an input file")
        if len(set(pair.targets)) != len(pair.targets):
            raise ValueError(f"result and preview would both be {pair.output}")
        existing = [target for target in pair.targets if target.exists()]
        if self.options.overwrite or not existing:
            return False
        if not self.many or pair.output not in existing:
            raise FileExistsError(f"{existing[0]} exists already (--overwrite replaces it)")
        if pair.error and pair.error not in existing:
            raise FileExistsError(f"{pair.output} exists without its expected error (--overwrite makes both)")
        if pair.camera and pair.camera not in existing:
            self._write_camera(pair, read_depth(pair.output))
        if pair.preview and pair.preview not in existing:
            from ..pipeline.validate import check_depth  # which imports torch

            depth = check_depth(read_depth(pair.output), self.options.invalid)
            error = read_depth(pair.error) if pair.error else None
            write_preview(pair.preview, depth.raw[0], depth.valid[0], error)
        return True

    def _read(self, pair: Pair) -> tuple[Any, Any]:
        if self.scan is None:
            rgb, depth = read_rgb(pair.rgb), read_depth(pair.depth)
        else:
            rgb, depth = self.scan.read(pair.output.stem)
            if pair.camera:
                self.scan.camera(pair.output.stem, rgb.shape[:2])  # or refused before any work
        if self.options.sgbm:
            if depth.dtype != np.int16:
                raise ValueError(f"{pair.depth}: --sgbm is for int16, as OpenCV's SGBM makes it, got {depth.dtype}")
            depth = np.maximum(depth, 0)
        self._check_output(pair.output, depth.dtype)
        if (per_metre := self.options.per_metre) is not None:
            from ..pipeline.validate import check_depth  # which imports torch

            known = depth[check_depth(depth, self.options.invalid).valid[0]]
            if question := question_unit(known, per_metre):
                warnings.warn(f"{question}; check --depth-unit", stacklevel=2)
            if known.size:
                check_reach(
                    known.max(), depth.dtype, target_dtype(depth.dtype, pair.output.suffix, per_metre), per_metre
                )
        return rgb, depth

    def _check_output(self, output: Path, dtype: np.dtype[Any]) -> None:
        """Before any work is done, whether the result can be written."""
        per_metre = self.options.per_metre
        try:
            check_depth_path(output, target_dtype(dtype, output.suffix, per_metre))
        except ValueError as error:
            # .npy holds all that can be up-sampled
            if per_metre is None and can_hold(".npy", dtype) and target_dtype(dtype, output.suffix, 1.0) != dtype:
                raise ValueError(
                    f"{error}; or convert it with --depth-unit m, mm or the number of steps in a metre"
                ) from error
            raise

    def _upsample(self, pair: Pair, rgb: Any, lr_depth: Any, upsampler: DepthUpsampler) -> dict[str, Any]:
        options, began = self.options, time.perf_counter()
        result = upsampler.predict(
            rgb, lr_depth, options.scale, fill_holes=options.fill_holes, invalid=options.invalid, tile=options.tile,
            expect_error=bool(pair.error), max_error=options.max_error,
        )  # fmt: skip
        depth, valid = np.asarray(result.depth), np.asarray(result.valid)
        seconds = time.perf_counter() - began
        alignment = self._look_at_alignment(rgb, lr_depth)
        dtype = target_dtype(depth.dtype, pair.output.suffix, options.per_metre)
        written = depth if dtype == depth.dtype else convert(depth, valid, dtype, options.per_metre)
        error = None
        if pair.error:  # before the result: what has a result is finished
            error = np.asarray(result.expected_error) * error_factor(dtype, depth.dtype, options.per_metre)
            write_depth(pair.error, error.astype(np.float32))
        write_depth(pair.output, written)
        if pair.camera:
            self._write_camera(pair, depth)
        if pair.preview:  # after the result: what has a preview is finished
            write_preview(pair.preview, depth, valid, error)
        figures: dict[str, Any] = {
            "height": depth.shape[0],
            "width": depth.shape[1],
            "dtype": written.dtype.name,
            "scale": result.scale,
            "holes": round(1 - float(valid.mean()), 4),
            "seconds": round(seconds, 3),
            **alignment,
        }
        if options.per_metre is not None:
            figures["unit"] = unit_of(written.dtype, depth.dtype, options.per_metre)
            if valid.any():
                known = depth[valid] / options.per_metre
                figures["metres"] = [round(float(known.min()), 4), round(float(known.max()), 4)]
        return figures

    def _look_at_alignment(self, rgb: Any, lr_depth: Any) -> dict[str, str]:
        """The figure of the first pairs of a run."""
        from ..alignment import ENOUGH, check_alignment  # which imports torch

        if self.looks == ENOUGH:
            return {}
        self.looks += 1
        return {"misalignment": check_alignment(rgb, lr_depth, invalid=self.options.invalid).warning}

    def _write_camera(self, pair: Pair, depth: Any) -> None:
        assert self.scan is not None
        assert pair.camera is not None
        write_atomically(pair.camera, self.scan.camera(pair.output.stem, depth.shape).as_json())


def describe(error: BaseException) -> str:
    """One line; errors without a text by their kind."""
    return " ".join(str(error).split()) or type(error).__name__
