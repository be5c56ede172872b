"""Command line of the export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..cli.selftest import make_scene
from ..graph import SIZE_MULTIPLE
from ..read import read_depth, read_rgb
from ..upsampler import DepthUpsampler
from .network import SUFFIXES, export
from .parity import check_parity


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the export; exit code 1 if the file does not do what torch does."""
    parser = argparse.ArgumentParser(
        prog="python -m bridgenet_infer.export", description="Write the network as ONNX or OpenVINO."
    )
    parser.add_argument("--format", choices=list(SUFFIXES), default="onnx")
    parser.add_argument("--weights", default="lite", help="manifest name, .safetensors file, folder or Hub repository")
    parser.add_argument(
        "-o", "--output", type=Path, help="default: NAME.onnx or NAME.xml here; a .safetensors is what --weights takes"
    )
    parser.add_argument("--pair", nargs=2, action="append", metavar=("RGB", "DEPTH"), help="to compare on; repeatable")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="greatest difference allowed, of the range")
    options = parser.parse_args(arguments)
    try:
        upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
        path = options.output or Path(upsampler.weights + SUFFIXES[options.format][0])
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = {rgb: (read_rgb(rgb), read_depth(depth)) for rgb, depth in options.pair or []}
        if not pairs:
            scene = make_scene()
            pairs = {"built-in scene": (scene.rgb, scene.lr_depth)}
        export(upsampler, path, options.format)
        results = check_parity(upsampler, path, pairs)
    except (ImportError, OSError, ValueError) as error:
        hint = " (pip install 'bridgenet-infer[export]')" if isinstance(error, ImportError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    print(f"{path}: {upsampler.weights} ({upsampler.sha256[:12]}), H and W multiples of {SIZE_MULTIPLE}")
    for result in results:
        height, width = result.shape
        print(f"  {result.name} {height} x {width}: greatest difference {result.greatest:.1e}, mean {result.mean:.1e}")
    return 0 if max(result.greatest for result in results) <= options.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
