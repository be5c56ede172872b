"""bridgenet-upsample: one RGB image and its low-resolution depth -> sharp depth on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__

EXIT_OK, EXIT_FAILED = 0, 1  # argparse itself ends with 2 on a wrong call


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    0 when the result is written; 1, with one line on stderr and nothing written, when it is not.
    """
    options = _parser().parse_args(arguments)
    try:
        print(upsample_files(options))
    except (OSError, ValueError, TypeError) as error:
        print(f"bridgenet-upsample: error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def upsample_files(options: argparse.Namespace) -> str:
    """Read, up-sample, write; returns the line that tells what was done."""
    from .read import read_depth, read_rgb
    from .write import check_depth_path, write_depth, write_preview

    preview = _preview_path(options)
    rgb, depth = read_rgb(options.rgb), read_depth(options.depth)
    check_depth_path(options.output, depth.dtype)
    _check_targets(options, [options.output, *([preview] if preview else [])])

    from .upsampler import DepthUpsampler  # torch takes seconds: only now that the files are known to be good

    upsampler = DepthUpsampler.from_pretrained(options.weights, device=options.device)
    result = upsampler(
        rgb,
        depth,
        options.scale,
        fill_holes=options.fill_holes,
        space=options.space,
        invalid=options.invalid,
        return_details=True,
    )
    write_depth(options.output, result.depth)  # type: ignore[arg-type]
    if preview:
        write_preview(preview, result.depth, result.valid)  # type: ignore[arg-type]
    height, width = rgb.shape[:2]
    return f"{options.output}: {width} x {height}, {depth.dtype}, x{result.scale:g}, weights {result.weights}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bridgenet-upsample", description=__doc__)
    parser.add_argument("rgb", type=Path, metavar="RGB", help="colour image: PNG, JPEG, BMP, TIFF or NPY")
    parser.add_argument("depth", type=Path, metavar="DEPTH", help="registered LR depth: PNG, TIFF or NPY")
    parser.add_argument("-o", "--output", type=Path, required=True, help="result: PNG (8, 16 bit), TIFF or NPY")
    parser.add_argument("--scale", type=_scale, default="auto", help="2 to 16, or auto (default)")
    parser.add_argument("--weights", default="lite", help="name, .safetensors file or folder (default: lite)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda if there is one)")
    parser.add_argument("--space", choices=("linear", "inverse"), default="linear", help="normalise depth or 1/depth")
    parser.add_argument("--invalid", type=float, help="a further depth value that marks holes, beside 0 and NaN")
    parser.add_argument("--fill-holes", action="store_true", help="keep holes filled instead of restoring them")
    parser.add_argument("--preview", action="store_true", help="also write a coloured OUTPUT_preview.png")
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _scale(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _preview_path(options: argparse.Namespace) -> Path | None:
    output: Path = options.output
    return output.with_name(f"{output.stem}_preview.png") if options.preview else None


def _check_targets(options: argparse.Namespace, targets: list[Path]) -> None:
    """Never write over an input, nor over anything else without being told."""
    for target in targets:
        if any(target.exists() and target.samefile(source) for source in (options.rgb, options.depth)):
            raise ValueError(f"{target} is an input file")
        if target.exists() and not options.overwrite:
            raise FileExistsError(f"{target} exists already (--overwrite replaces it)")
    if len(set(targets)) != len(targets):
        raise ValueError(f"result and preview would both be {targets[0]}")


if __name__ == "__main__":
    sys.exit(main())
