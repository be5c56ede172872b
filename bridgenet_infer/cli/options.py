"""The options of the command, and the checks of a command line."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .console import plain_numbers

EXIT_CODES = """exit codes:
  0    everything that was asked for is there
  1    something was refused or failed; stderr tells what, nothing half-written is left
  2    wrong call
  130  interrupted; run again to continue"""

RAY_LAYOUT = ("ray_workers", "ray_cores", "ray_gpus", "ray_threads", "ray_batch")
MIN_CONFIDENCE = 1
FORMATS = ("png", "tif", "tiff", "npy", "npz", "pfm", "exr")


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; a wrong one ends the process with 2."""
    parser = _parser()
    options = parser.parse_args(plain_numbers(arguments))
    if options.doctor:
        if (options.rgb is None) != (options.depth is None):
            parser.error("--doctor takes both RGB and DEPTH, or neither of them")
        return options
    if options.rgb is None or options.output is None or _lacks_depth(options):
        parser.error("RGB, DEPTH and -o/--output are required (or one scan and -o, or --doctor)")
    if options.depth is None:
        _settle_scan(parser, options)
    many = options.depth is None or options.rgb.is_dir()
    if options.depth is not None and options.rgb.is_dir() != options.depth.is_dir():
        parser.error("RGB and DEPTH must be two files or two folders")
    if options.depth is not None and options.min_confidence is not None:
        parser.error("--min-confidence is for scans, which hold confidence")
    if options.output.exists() and options.output.is_dir() != many:
        parser.error("-o must be a folder for folders and scans, and a file, such as depth.png, for a single pair")
    if many and not options.output.is_dir() and options.output.suffix.lower()[1:] in FORMATS:
        parser.error(f"-o {options.output} names a file, and the results of folders and scans need a folder")
    if options.sgbm and options.per_metre is not None:
        parser.error("--depth-unit and --sgbm exclude each other: --sgbm declares DEPTH to be disparity")
    if options.format and not many:
        parser.error("--format is for folders and scans; a single result takes its format from -o")
    if options.ray and not many:
        parser.error("--ray is for folders and scans; a single pair needs no workers")
    if not options.ray and any(getattr(options, name) != parser.get_default(name) for name in RAY_LAYOUT):
        parser.error(f"{', '.join(f'--{name}'.replace('_', '-') for name in RAY_LAYOUT)} work only with --ray")
    return options


def _lacks_depth(options: argparse.Namespace) -> bool:
    """Whether RGB stands alone and can be no scan."""
    return options.depth is None and not options.rgb.is_dir() and options.rgb.suffix.lower() != ".r3d"


def _settle_scan(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what a scan answers itself."""
    if options.sgbm or options.per_metre is not None:
        parser.error("--depth-unit and --sgbm are not for scans, whose unit is known")
    if options.min_confidence is None:
        options.min_confidence = MIN_CONFIDENCE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bridgenet-upsample",
        description="Up-sample low-resolution depth to the size of its registered RGB image.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "rgb",
        type=Path,
        nargs="?",
        metavar="RGB",
        help="image (PNG, JPEG, BMP, TIFF, WebP, PPM, PGM, NPY, NPZ) or folder; or, without DEPTH, a scan: a folder of "
        "Stray Scanner, Polycam or ARKitScenes, or a .r3d of Record3D",
    )
    parser.add_argument(
        "depth", type=Path, nargs="?", metavar="DEPTH",
        help="registered LR depth (PNG, TIFF, NPY, NPZ, PFM, EXR), or a folder paired with RGB by file stem",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="result file, or folder for folders and scans")
    parser.add_argument(
        "--format", choices=FORMATS, help="of results in a folder (default: as the LR depth; png for scans)"
    )

    depth = parser.add_argument_group("depth")
    depth.add_argument("--scale", type=_number_or("auto", float), default="auto", help="2 to 16, or auto (default)")
    depth.add_argument(
        "--invalid", type=float, metavar="VALUE", help="a further value that marks holes, beside 0 and NaN"
    )
    depth.add_argument(
        "--sgbm", action="store_true",
        help="DEPTH is disparity of OpenCV's SGBM: int16, 16 steps a pixel, negative is none; the result is the same",
    )  # fmt: skip
    depth.add_argument(
        "--min-confidence", type=int, choices=(0, 1, 2), metavar="LEVEL",
        help="of scans: depth of lower confidence is a hole; 0 takes all, 1 medium and high (default), 2 high alone",
    )  # fmt: skip
    depth.add_argument("--fill-holes", action="store_true", help="keep holes filled instead of restoring them")
    depth.add_argument(
        "--max-error", type=float, metavar="ERROR",
        help="make holes where the expected error, in the unit of the LR depth, is greater",
    )  # fmt: skip
    depth.add_argument(
        "--depth-unit", type=_unit, metavar="UNIT", dest="per_metre",
        help="unit of the LR depth: m, mm, or how many make a metre (TUM: 5000). The result keeps it; only a format "
        "that cannot hold the dtype gets float32 metres (PFM, EXR) or uint16 millimetres (PNG)",
    )  # fmt: skip

    engine = parser.add_argument_group("network")
    engine.add_argument("--weights", default="default", help="name, file, folder or Hub repository")
    engine.add_argument("--revision", help="commit, tag or branch of a Hub repository")
    engine.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    engine.add_argument("--precision", choices=("auto", "fp16", "fp32"), default="auto", help="auto: fp16 on CUDA")
    engine.add_argument(
        "--tile", type=_number_or(("auto", "whole"), int), default="auto",
        help="largest side of a tile, a multiple of 16; auto (768); whole (one pass)",
    )  # fmt: skip

    ray = parser.add_argument_group("folders on Ray", "needs bridgenet-infer[ray]; nodes must see the folders alike")
    ray.add_argument(
        "--ray", type=_ray_address, nargs="?", const=os.environ.get("RAY_ADDRESS") or "local", metavar="ADDRESS",
        help="spread the pairs over workers of the cluster at ADDRESS, auto or host:port (default: $RAY_ADDRESS, else "
        "Ray is started here)",
    )  # fmt: skip
    ray.add_argument(
        "--ray-workers", type=_count, metavar="N", help="actors (default: as many as there are cores or GPUs for)"
    )
    ray.add_argument("--ray-cores", type=_count, default=1, metavar="N", help="cores of each worker (default: 1)")
    ray.add_argument(
        "--ray-gpus", type=float, metavar="N", help="GPUs of each worker, shares too (default: 1 where there are GPUs)"
    )
    ray.add_argument(
        "--ray-threads", type=_count, default=1, metavar="N", help="pairs in the hands of a worker at once (default: 1)"
    )
    ray.add_argument(
        "--ray-batch", type=_count, default=8, metavar="N", help="pairs handed to a worker at once (default: 8)"
    )

    output = parser.add_argument_group("output")
    output.add_argument("--preview", action="store_true", help="also write a coloured OUT_preview.png")
    output.add_argument(
        "--expected-error", action="store_true",
        help="also write OUT_expected_error, float32 in the unit of the result, and show it in the preview",
    )  # fmt: skip
    output.add_argument("--overwrite", action="store_true", help="replace existing results")
    output.add_argument("--json", action="store_true", help="report as JSON on stdout")
    output.add_argument(
        "--doctor",
        action="store_true",
        help="check this installation: what a bug report needs; with RGB and DEPTH, draw the edges of depth on the "
        "image (-o, by default edges.png)",
    )
    output.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


class _number_or:
    """Argument type: one of some words, or a number."""

    def __init__(self, words: str | tuple[str, ...], number: type) -> None:
        self.words, self.number = (words,) if isinstance(words, str) else words, number

    def __call__(self, text: str) -> object:
        return text if text in self.words else self.number(text)

    def __repr__(self) -> str:  # argparse: "invalid ... value"
        return f"{' or '.join(self.words)} or {self.number.__name__}"


def _unit(text: str) -> float:
    """Steps per metre of a depth unit."""
    try:
        per_metre = {"m": 1.0, "mm": 1000.0}.get(text) or float(text)
    except ValueError:
        per_metre = 0.0
    if 0 < per_metre < 1:  # a step of kilometres: the length of a step was meant
        raise argparse.ArgumentTypeError(
            f"{text} would make {1 / per_metre:g} m of one step; if a step is {text} m, use --depth-unit "
            f"{1 / per_metre:g}"
        )
    if not 1 <= per_metre < float("inf"):
        raise argparse.ArgumentTypeError(f"must be m, mm or the number of steps in a metre, got {text!r}")
    return per_metre


def _ray_address(text: str) -> str:
    """The address of a Ray cluster; a word that stands behind --ray by mistake is none."""
    if text not in ("auto", "local") and not re.search(r"://|:\d+$", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address, auto or host:port (RGB and DEPTH stand before it)")
    return text


def _count(text: str) -> int:
    """A number of things that are needed."""
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {count}")
    return count
