"""bridgenet-bag: up-sample the depth of a recording."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from .tum import FolderReport, is_tum_folder, upsample_tum

if TYPE_CHECKING:
    from .bags import BagReport

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130  # argparse itself ends with 2
EPILOG = """A killed run goes on where it ended; its finished frames lie in OUT.frames (bags) or OUT (TUM folders).

exit codes:
  0    every pair of frames was up-sampled
  1    a frame, or the recording as a whole, failed; stderr tells what
  2    wrong call
  130  interrupted; run again to continue"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parse(arguments)
    try:
        report = _run(options)
    except KeyboardInterrupt:
        _say("interrupted; run again to continue")
        return EXIT_INTERRUPTED
    except ImportError as error:
        _say(f"error: {error} (pip install 'bridgenet-infer[bags]')")
        return EXIT_FAILED
    except (OSError, ValueError) as error:
        _say(f"error: {' '.join(str(error).split())}")
        return EXIT_FAILED
    for frame, reason in report.failed:
        _say(f"error: frame {frame}: {reason}")
    finished = report.pairs - len(report.failed)
    print(
        f"{options.output}: {finished} of {report.pairs} pairs up-sampled ({report.reused} of them before), "
        f"from {report.rgb} images and {report.depth} depth maps"
    )
    return EXIT_FAILED if report.failed else EXIT_OK


def _run(options: argparse.Namespace) -> BagReport | FolderReport:
    if not options.input.exists():
        raise FileNotFoundError(f"{options.input} does not exist")
    if options.output.resolve() == options.input.resolve():
        raise ValueError("OUT must not be IN")
    tum = is_tum_folder(options.input)
    if options.output.exists() and not tum:
        if not options.overwrite:
            raise FileExistsError(f"{options.output} exists; --overwrite replaces it")
        (shutil.rmtree if options.output.is_dir() else Path.unlink)(options.output)
    upsampler = DepthUpsampler.from_pretrained(options.weights, device=options.device)

    def upsample(rgb: object, depth: object) -> object:
        return upsampler(rgb, depth, options.scale, fill_holes=options.fill_holes)  # type: ignore[call-overload]

    with _Bar() as bar:
        if tum:
            return upsample_tum(options.input, options.output, upsample, slop=options.slop, progress=bar)
        from .bags import upsample_bag

        return upsample_bag(
            options.input, options.output, upsample,
            settings=json.dumps([upsampler.sha256, options.scale, options.fill_holes, options.rgb, options.depth,
                                 options.slop, __version__]),
            rgb_topic=options.rgb, depth_topic=options.depth, output_topic=options.output_topic, slop=options.slop,
            progress=bar,
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
    parser.add_argument("--depth", metavar="TOPIC", help="registered LR depth (default: found by type)")
    parser.add_argument("--output-topic", default="/bridgenet/depth/image_raw", metavar="TOPIC")
    parser.add_argument("--scale", type=_scale, default="auto", help="2 to 16, or auto (default)")
    parser.add_argument("--slop", type=float, default=0.02, help="seconds that stamps of a pair may differ (0.02)")
    parser.add_argument("--fill-holes", action="store_true", help="keep holes filled instead of restoring them")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, help="as for bridgenet-upsample")
    parser.add_argument("--device", help="cpu, cuda or mps; by default the fastest there is")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def _scale(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
