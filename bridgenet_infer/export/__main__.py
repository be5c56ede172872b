"""The command line of the export."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..cli.selftest import SCALE, make_scene
from ..graph import SIZE_MULTIPLE
from ..read import read_depth, read_rgb
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from .network import SUFFIXES, export, scales_of
from .parity import check_parity


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a network; exit code 1 if the file gives other results than PyTorch."""
    parser = argparse.ArgumentParser(
        prog="python -m bridgenet_infer.export", description="Write the network as ONNX or OpenVINO."
    )
    parser.add_argument("--format", choices=list(SUFFIXES), default="onnx")
    parser.add_argument(
        "--weights", default=DEFAULT_WEIGHTS, help="manifest name, .safetensors file, folder or Hub repository"
    )
    parser.add_argument(
        "-o", "--output", type=Path, help="default: NAME.onnx or NAME.xml here; a .safetensors is what --weights takes"
    )
    parser.add_argument(
        "--scale", type=float, help="which network, of weights that hold one for each of several scales"
    )
    parser.add_argument("--pair", nargs=2, action="append", metavar=("RGB", "DEPTH"), help="to compare on; repeatable")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="greatest difference allowed, of the local reach")
    options = parser.parse_args(arguments)
    try:
        upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
        path = options.output or Path(upsampler.name + SUFFIXES[options.format][0])
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = {rgb: (read_rgb(rgb), read_depth(depth)) for rgb, depth in options.pair or []}
        if not pairs:
            for scale in [options.scale] if options.scale else scales_of(upsampler):
                scene = make_scene(scale or SCALE)
                pairs[f"built-in scene, x{scale or SCALE:g}"] = scene.rgb, scene.lr_depth
        export(upsampler, path, options.format, options.scale)
        results = check_parity(upsampler, path, pairs, options.scale)
        if not results:
            raise ValueError(f"no pair has a scale for the network of x{options.scale:g}, so {path} was not compared")
    except (ImportError, OSError, ValueError) as error:
        hint = " (pip install 'bridgenet-infer[export]')" if isinstance(error, ImportError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    print(f"{path}: {upsampler.name} ({upsampler.sha256[:12]}), H and W multiples of {SIZE_MULTIPLE}")
    for result in results:
        height, width = result.shape
        print(f"  {result.name} {height} x {width}: greatest difference {result.greatest:.1e}, mean {result.mean:.1e}")
    return 0 if max(result.greatest for result in results) <= options.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
