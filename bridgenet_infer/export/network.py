"""Writing the network as an ONNX or OpenVINO file, with what surrounds it described in the metadata."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..compiled import CompiledBridgeNet
from ..graph import SIZE_MULTIPLE, BridgeNet
from ..upsampler import DepthUpsampler
from ..weights import compiled_bytes

Format = Literal["onnx", "openvino"]
SUFFIXES: dict[Format, tuple[str, ...]] = {"onnx": (".onnx",), "openvino": (".xml", ".safetensors")}
OPSET = 18

CONTRACT = {
    "input rgb": "(1, 3, H, W) float32, red green blue in [0, 1]; H and W multiples of 16, padded by repeating the "
    "border",
    "input d_up": "(1, C, H, W) float32: LR depth, holes filled with the nearest measured sample, normalised as "
    "(depth - low) / span with low and high the 1st and 99th percentile of the measured LR samples of the whole "
    "image and span = high - low, then enlarged by Pillow's bicubic (a = -0.5). C is 1, or 2 if the configuration says "
    "validity_input: the second channel is 1 where LR was measured and 0 elsewhere, enlarged alike",
    "output d_sr": "(1, 1, H, W) float32, normalised: depth = low + span * d_sr",
}


class _Reconstruction(nn.Module):
    """The graph without D_DE, its inputs named as in the file."""

    def __init__(self, model: BridgeNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, rgb: Tensor, d_up: Tensor) -> Tensor:
        d_sr: Tensor = self.model(rgb, d_up)[0]
        return d_sr


def export(upsampler: DepthUpsampler, path: Path, kind: Format) -> None:
    """Write the up-sampler's network.

    Parameters
    ----------
    path
        An .onnx file; for OpenVINO an .xml, with its .bin beside it, or a .safetensors, which is both in one file as
        `DepthUpsampler.from_pretrained` reads it.

    Raises
    ------
    ValueError
        If the path's suffix is not the format's, or the up-sampler's network was converted already.
    ImportError
        If a package of the extra "export" is missing.
    OSError
        If the file cannot be written.
    """
    if path.suffix not in SUFFIXES[kind]:
        raise ValueError(f"{kind} files end in {' or '.join(SUFFIXES[kind])}, got {path}")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if kind == "onnx":
            _write_onnx(upsampler, Path(folder) / path.name)
        elif path.suffix == ".xml":
            save_openvino(convert_to_openvino(upsampler), Path(folder) / path.name)
            os.replace((Path(folder) / path.name).with_suffix(".bin"), path.with_suffix(".bin"))
        else:
            content = pack_openvino(convert_to_openvino(upsampler), upsampler, {})
            (Path(folder) / path.name).write_bytes(content)
        os.replace(Path(folder) / path.name, path)  # an .xml after its .bin: it is what readers look for


def convert_to_openvino(upsampler: DepthUpsampler) -> Any:
    """The network as an `openvino.Model` with everything constant folded; raises as `export`."""
    import openvino
    from openvino.passes import ConstantFolding, Manager

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _write_onnx(upsampler, path)
        converted = openvino.convert_model(path)
    folding = Manager()
    folding.register_pass(ConstantFolding())  # the folded head: its weights are computed in the graph
    folding.run_passes(converted)
    for name, text in _notes(upsampler).items():
        converted.set_rt_info(text, ["bridgenet", name.replace(" ", "_")])
    return converted


def save_openvino(model: Any, path: Path) -> None:
    """Write .xml and .bin; weights keep their precision."""
    import openvino

    openvino.save_model(model, path, compress_to_fp16=False)


def pack_openvino(model: Any, upsampler: DepthUpsampler, notes: dict[str, str]) -> bytes:
    """One safetensors file of a network converted from the up-sampler's; `notes` go into its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.xml"
        save_openvino(model, path)
        files = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    if upsampler.scales is not None:
        notes = {"scales": "-".join(f"{scale:g}" for scale in upsampler.scales), **notes}
    return compiled_bytes(*files, upsampler.model.config, {"converted_from": upsampler.sha256, **notes})


def _notes(upsampler: DepthUpsampler) -> dict[str, str]:
    about = {"weights": upsampler.weights, "sha256": upsampler.sha256, "config": upsampler.model.config.to_json()}
    return CONTRACT | about


def _write_onnx(upsampler: DepthUpsampler, path: Path) -> None:
    """One file, weights inside."""
    import onnxscript  # noqa: F401  # torch would say less clearly that it is missing

    model = upsampler.model
    if isinstance(model, CompiledBridgeNet):
        raise ValueError(f"weights {upsampler.weights!r} are a converted network already")
    channels = 2 if model.config.validity_input else 1
    example = (torch.zeros(1, 3, 64, 96), torch.zeros(1, channels, 64, 96))
    # from 2: torch takes a size of 1 for a constant
    rows, columns = torch.export.Dim("rows", min=2, max=4096), torch.export.Dim("columns", min=2, max=4096)
    free = {2: SIZE_MULTIPLE * rows, 3: SIZE_MULTIPLE * columns}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Reconstruction(model).eval(), example, dynamo=True, dynamic_shapes={"rgb": free, "d_up": free},
            input_names=["rgb", "d_up"], output_names=["d_sr"], opset_version=OPSET, verbose=False,
        )  # fmt: skip
    if program is None:
        raise ValueError("torch made no ONNX program")
    program.model.metadata_props.update(_notes(upsampler))
    program.save(path, external_data=False)
