"""The command line of the export."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..cli.selftest import SCALE, SIZE, make_scene
from ..read import read_depth, read_rgb
from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from .network import OPSET, SUFFIXES, Form, export, scales_of
from .parity import BOUND, check_parity


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a network; exit code 1 if the file gives other results than PyTorch."""
    parser = argparse.ArgumentParser(
        prog="python -m bridgenet_infer.export",
        description="Write one file, ONNX or OpenVINO, that does the whole job.",
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
    parser.add_argument("--network-alone", action="store_true", help="without the steps before and after the network")
    parser.add_argument("--batch", type=int, metavar="N", help="inputs and outputs of N images, or of any number: 0")
    parser.add_argument("--size", type=_size, metavar="WxH", help="the image's size, fixed, for compilers that need it")
    parser.add_argument("--fp16", action="store_true", help="store the weights in float16")
    parser.add_argument("--pair", nargs=2, action="append", metavar=("RGB", "DEPTH"), help="to compare on; repeatable")
    parser.add_argument("--tolerance", type=float, default=BOUND, help="difference allowed, of the local reach")
    options = parser.parse_args(arguments)
    try:
        upsampler = DepthUpsampler.from_pretrained(options.weights, device="cpu")
        path = options.output or Path(upsampler.name + SUFFIXES[options.format][0])
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = {rgb: (read_rgb(rgb), read_depth(depth)) for rgb, depth in options.pair or []}
        if not pairs:
            for scale in [options.scale] if options.scale else scales_of(upsampler):
                scene = make_scene(scale or SCALE, options.size or SIZE)
                pairs[f"built-in scene, x{scale or SCALE:g}"] = scene.rgb, scene.lr_depth
        form = Form(options.network_alone, options.batch, options.size, options.fp16)
        export(upsampler, path, options.format, options.scale, form)
        results = [] if options.batch is not None else check_parity(upsampler, path, pairs, options.scale)
        if not results and options.batch is None:
            raise ValueError(f"no pair has a scale for the network of x{options.scale:g}, so {path} was not compared")
    except (ImportError, OSError, ValueError) as error:
        hint = " (pip install 'bridgenet-infer[export]')" if isinstance(error, ImportError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    print(f"{path}: {upsampler.name} ({upsampler.sha256[:12]}), {path.stat().st_size:,} bytes, opset {OPSET}")
    for result in results:
        height, width = result.shape
        verdict = "equal" if result.holds(options.tolerance) else "NOT equal"
        print(f"  {result.name} {height} x {width}: {verdict}, greatest difference {result.greatest:.1e} of the reach")
    return 0 if all(result.holds(options.tolerance) for result in results) else 1


def _size(text: str) -> tuple[int, int]:
    """WxH -> (H, W)."""
    width, height = map(int, text.lower().split("x"))
    return height, width


if __name__ == "__main__":
    sys.exit(main())
