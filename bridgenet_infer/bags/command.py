"""bridgenet-bag: up-sample the depth of a recording."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..alignment import ENOUGH, check_alignment, summarise_warnings
from ..cli.console import plain_console, plain_numbers
from ..read import DEPTH_SUFFIXES
from ..ros.transforms import rigid
from ..temporal import Temporal, TemporalFilter
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from .tum import FolderReport, is_tum_folder, upsample_tum

if TYPE_CHECKING:
    from .upsample import BagReport

BAG_OPTIONS = ("rgb", "depth", "rgb_info", "depth_info", "extrinsics", "registered", "output_topic")
OUTPUT_TOPIC = "/bridgenet/depth/image_raw"
FILES = (".bag", ".mcap", ".db3", ".zip", *DEPTH_SUFFIXES)
EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130  # argparse itself ends with 2
EPILOG = """Depth whose frame_id is not the RGB image's, or whose CameraInfo shows another view, is first registered to
it. That takes a CameraInfo of each and the transform between the two frames: the bag's /tf_static, what is constant
in its /tf, or --extrinsics. Without them the bag is refused, unless --registered says that depth lies in the RGB
camera nevertheless.

A killed run goes on where it ended; its finished frames lie in OUT.frames (bags) or OUT (TUM folders).

exit codes:
  0    every pair of frames was up-sampled
  1    a frame, or the recording as a whole, failed; stderr tells what
  2    wrong call
  130  interrupted; run again to continue"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parse(arguments)
    with plain_console(_say):
        return _report(options)


def _report(options: argparse.Namespace) -> int:
    warnings = list[str]()
    try:
        report = _run(options, warnings)
    except KeyboardInterrupt:
        _say("interrupted; run again to continue")
        return EXIT_INTERRUPTED
    except (OSError, ValueError, ImportError) as error:
        if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("rosbags"):
            error = ImportError("this needs rosbags: pip install 'bridgenet-infer[bags]'")
        _say(f"error: {' '.join(str(error).split())}")
        return EXIT_FAILED
    for frame, reason in report.failed:
        _say(f"error: frame {frame}: {reason}")
    if warning := summarise_warnings(warnings):
        _say(f"warning: {warning}")
    finished = report.pairs - len(report.failed)
    print(
        f"{options.output}: {finished} of {report.pairs} pairs up-sampled ({report.reused} of them before), "
        f"from {report.rgb} images and {report.depth} depth maps"
    )
    return EXIT_FAILED if report.failed else EXIT_OK


def _run(options: argparse.Namespace, warnings: list[str]) -> BagReport | FolderReport:
    if not options.input.exists():
        raise FileNotFoundError(f"{options.input} does not exist")
    if options.output.resolve() == options.input.resolve():
        raise ValueError("OUT must not be IN")
    is_folder = is_tum_folder(options.input)
    if is_folder and (given := [name for name in BAG_OPTIONS if getattr(options, name)]):
        raise ValueError(f"--{given[0].replace('_', '-')} is for bags; TUM folders hold registered depth")
    if options.output.suffix.lower() in FILES and not (options.output.suffix == ".bag" == options.input.suffix):
        kind = "up-sampled TUM folders are" if is_folder else "recordings of ROS 2 are written as"
        raise ValueError(f"{options.output} names a file, but {kind} folders: say -o {options.output.with_suffix('')}")
    upsampler = DepthUpsampler.from_pretrained(options.weights, device=options.device)
    if options.max_error is not None and not upsampler.expects_error:
        raise ValueError(f"weights {options.weights!r} have no head for the expected error, which --max-error needs")
    temporal = Temporal(options.smoothing, options.threshold, options.persistence) if options.temporal else None
    steady = None if temporal is None else TemporalFilter(temporal, options.invalid)

    def upsample(rgb: npt.NDArray[Any], depth: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(warnings) < ENOUGH:
            warnings.append(check_alignment(rgb, depth, invalid=options.invalid).warning)
        depth = depth if steady is None else steady(depth)
        return np.asarray(upsampler.predict(
            rgb, depth, options.scale, fill_holes=options.fill_holes, invalid=options.invalid,
            expect_error=False, max_error=options.max_error,
        ).depth)  # fmt: skip

    with _Bar() as bar:
        if is_folder:
            return upsample_tum(
                options.input, options.output, upsample, slop=options.slop, overwrite=options.overwrite, progress=bar
            )
        from .upsample import upsample_bag

        return upsample_bag(
            options.input, options.output, upsample,
            settings=json.dumps(
                [upsampler.sha256, options.fill_holes, options.max_error, temporal and astuple(temporal), __version__]
            ),
            rgb_topic=options.rgb, depth_topic=options.depth,
            rgb_info_topic=options.rgb_info, depth_info_topic=options.depth_info,
            output_topic=options.output_topic or OUTPUT_TOPIC, invalid=options.invalid,
            slop=options.slop, scale=options.scale, registered=options.registered,
            extrinsics=rigid(options.extrinsics[:3], options.extrinsics[3:]) if options.extrinsics else None,
            overwrite=options.overwrite, progress=bar,
        )  # fmt: skip


class _Bar:
    """A progress bar that learns its length from the first call."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self.bar = tqdm(unit="frame", disable=None)

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def __exit__(self, *details: object) -> None:
        self.bar.close()

    def _show(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bridgenet-bag",
        description="Up-sample the depth of a ROS 1 .bag, a ROS 2 bag folder (sqlite3, mcap) or a TUM RGB-D folder.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="recording")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="recording of the same kind")
    parser.add_argument("--rgb", metavar="TOPIC", help="RGB images (default: found by type)")
    parser.add_argument("--depth", metavar="TOPIC", help="LR depth (default: found by type)")
    parser.add_argument("--rgb-info", metavar="TOPIC", help="CameraInfo of RGB (default: camera_info beside it)")
    parser.add_argument("--depth-info", metavar="TOPIC", help="CameraInfo of depth (default: camera_info beside it)")
    parser.add_argument("--registered", action="store_true", help="depth lies in the RGB camera whatever its frame_id")
    parser.add_argument(
        "--extrinsics", nargs=7, type=float, metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW"),
        help="pose of the depth camera in the RGB camera's frame, as 'tf2_echo RGB_FRAME DEPTH_FRAME' prints it: "
        "metres and a quaternion (default: from the bag's /tf_static and /tf)",
    )  # fmt: skip
    parser.add_argument("--output-topic", metavar="TOPIC", help=f"up-sampled depth (default: {OUTPUT_TOPIC})")
    parser.add_argument(
        "--scale", type=_scale, default="auto", help="2 to 16, or auto (default): from sizes or focal lengths"
    )
    parser.add_argument(
        "--invalid", type=float, metavar="VALUE", help="a further value that marks holes, beside 0 and NaN"
    )
    parser.add_argument("--slop", type=_slop, default=0.02, help="seconds that stamps of a pair may differ (0.02)")
    parser.add_argument("--fill-holes", action="store_true", help="keep holes filled instead of restoring them")
    parser.add_argument(
        "--max-error", type=float, metavar="ERROR",
        help="make holes where the expected error, in the unit of the LR depth, is greater",
    )  # fmt: skip
    parser.add_argument(
        "--temporal", action="store_true",
        help="average depth over time, where it does not move; after an interruption the average begins anew",
    )  # fmt: skip
    parser.add_argument(
        "--smoothing", type=float, default=Temporal.smoothing,
        help=f"share of the new frame in that average, up to 1, which leaves depth as it is ({Temporal.smoothing:g})",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=float, default=Temporal.threshold,
        help=f"standard deviations of the noise beyond which a sample has moved ({Temporal.threshold:g})",
    )  # fmt: skip
    parser.add_argument(
        "--persistence", type=int, default=Temporal.persistence,
        help=f"frames for which a hole keeps the average ({Temporal.persistence})",
    )  # fmt: skip
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, help="as for bridgenet-upsample")
    parser.add_argument("--device", help="cpu, cuda or mps; by default the fastest there is")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT, or the files of a TUM folder")
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(plain_numbers(arguments))
    if options.registered and options.extrinsics:
        parser.error("--registered and --extrinsics exclude each other")
    return options


def _scale(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _slop(text: str) -> float:
    if not 0 <= (slop := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more seconds, got {text!r}")
    return slop


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
