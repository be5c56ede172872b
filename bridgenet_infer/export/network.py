"""Writing the network as an ONNX or OpenVINO file, with what surrounds it described in the metadata."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..graph import SIZE_MULTIPLE, BridgeNet
from ..upsampler import DepthUpsampler

Format = Literal["onnx", "openvino"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml"}
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
    """Write the up-sampler's network; an .onnx file, or an OpenVINO .xml with its .bin beside it.

    Raises
    ------
    ValueError
        If the path's suffix is not the format's.
    ImportError
        If a package of the extra "export" is missing.
    OSError
        If the file cannot be written.
    """
    if path.suffix != SUFFIXES[kind]:
        raise ValueError(f"{kind} files end in {SUFFIXES[kind]}, got {path}")
    notes = {
        **CONTRACT,
        "weights": upsampler.weights,
        "sha256": upsampler.sha256,
        "config": upsampler.model.config.to_json(),
    }
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        onnx_file = Path(folder) / (path.stem + ".onnx")
        _write_onnx(upsampler.model, onnx_file, notes)
        if kind == "onnx":
            os.replace(onnx_file, path)
            return
        import openvino

        converted = openvino.convert_model(onnx_file)
        for name, text in notes.items():
            converted.set_rt_info(text, ["bridgenet", name.replace(" ", "_")])
        openvino.save_model(converted, Path(folder) / path.name, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):  # the .xml last: it is what readers look for
            os.replace((Path(folder) / path.name).with_suffix(suffix), path.with_suffix(suffix))


def _write_onnx(model: BridgeNet, path: Path, notes: dict[str, str]) -> None:
    """One file, weights inside."""
    import onnxscript  # noqa: F401  # torch would say less clearly that it is missing

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
    program.model.metadata_props.update(notes)
    program.save(path, external_data=False)
