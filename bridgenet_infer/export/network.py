"""Write the network as an ONNX or OpenVINO file. Its metadata describe the steps before and after it."""

import logging
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..backends.openvino import ERROR_OUTPUT, CompiledBridgeNet
from ..backends.per_scale import NetworkPerScale, network_for, networks_of
from ..graph import SIZE_MULTIPLE, BridgeNet
from ..upsampler import DepthUpsampler
from ..weights import compiled_bytes

Format = Literal["onnx", "openvino"]
SUFFIXES: dict[Format, tuple[str, ...]] = {"onnx": (".onnx",), "openvino": (".xml", ".safetensors")}
OPSET = 18

CONTRACT = {
    "input rgb": "(1, 3, H, W) float32, red green blue in [0, 1]; H and W multiples of 16, padded by repeating the "
    "border",
    "input d_up": "(1, C, H, W) float32: (D - mid) / reach within -2 to 2, and 0 where reach is 0. D is the whole LR "
    "depth less its least measured sample, holes filled with the nearest measured sample, enlarged by Pillow's bicubic "
    "(a = -0.5). mid and reach come from the same LR samples before they are enlarged, bilinearly: with low and high "
    "the minimum and maximum over 3 x 3 samples, the border repeated outwards, mid is the mean over 3 x 3 of "
    "(low + high) / 2 and reach that of high - low. C is 1, or 2 if the configuration says validity_input: the second "
    "channel is 1 where LR was measured and 0 elsewhere, enlarged as D",
    "output residual": "(1, 1, H, W) float32: depth = the least measured sample + D + reach * residual",
}
ERROR_CONTRACT = {
    f"output {ERROR_OUTPUT}": "(1, 1, H, W) float32, of weights with a head for it: reach times this is the expected "
    "error of the depth, the scale of a Laplace distribution",
}


class _Reconstruction(nn.Module):
    """The graph without D_DE, its inputs named as in the file; the expected error where it has a head for it."""

    def __init__(self, model: BridgeNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, rgb: Tensor, d_up: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model(rgb, d_up, expect_error=self.model.expects_error)
        return tuple(output for output in outputs if output is not None)


def export(upsampler: DepthUpsampler, path: Path, kind: Format, scale: float | None = None) -> None:
    """Write the up-sampler's network.

    Parameters
    ----------
    scale
        Which of several networks, unless the file is a .safetensors, which holds them all.
    path
        An .onnx file; for OpenVINO an .xml, with its .bin beside it, or a .safetensors, which is both in one file as
        `DepthUpsampler.from_pretrained` reads it.

    Raises
    ------
    ValueError
        If the path's suffix is not the format's, no scale tells which of several networks is meant, or the network was
        converted already.
    ImportError
        If a package of the extra "export" is missing.
    OSError
        If the file cannot be written.
    """
    if path.suffix not in SUFFIXES[kind]:
        raise ValueError(f"{kind} files end in {' or '.join(SUFFIXES[kind])}, got {path}")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if kind == "onnx":
            _write_onnx(upsampler, choose_network(upsampler, scale), Path(folder) / path.name)
        elif path.suffix == ".xml":
            save_openvino(convert_to_openvino(upsampler, scale), Path(folder) / path.name)
            os.replace((Path(folder) / path.name).with_suffix(".bin"), path.with_suffix(".bin"))
        else:
            converted = {each: convert_to_openvino(upsampler, each) for each in scales_of(upsampler)}
            (Path(folder) / path.name).write_bytes(pack_openvino(converted, upsampler, {}))
        os.replace(Path(folder) / path.name, path)  # an .xml after its .bin: it is what readers look for


def scales_of(upsampler: DepthUpsampler) -> tuple[float | None, ...]:
    """The scales that the up-sampler's networks are for; a single one has None."""
    return upsampler.model.scales if isinstance(upsampler.model, NetworkPerScale) else (None,)


def choose_network(upsampler: DepthUpsampler, scale: float | None) -> BridgeNet:
    """The network for a scale, which a single one does not ask for; raises as `export`."""
    if scale is None and scales_of(upsampler) != (None,):
        held = ", ".join(f"x{each:g}" for each in scales_of(upsampler) if each)
        raise ValueError(
            f"weights {upsampler.name!r} hold a network for each of {held}: choose one with scale (command: --scale)"
        )
    network = networks_of(upsampler.model)[0] if scale is None else network_for(upsampler.model, scale)
    if isinstance(network, CompiledBridgeNet):
        raise ValueError(f"weights {upsampler.name!r} are a converted network already")
    if network.config.normalisation != "local":
        raise ValueError(
            f"weights {upsampler.name!r} normalise depth by the range of the whole image: exported files describe "
            "local normalisation alone"
        )
    return network


def convert_to_openvino(upsampler: DepthUpsampler, scale: float | None = None) -> Any:
    """The network as an `openvino.Model` with everything constant folded; raises as `export`."""
    import openvino
    from openvino.passes import ConstantFolding, Manager

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _write_onnx(upsampler, choose_network(upsampler, scale), path)
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


def pack_openvino(converted: Mapping[float | None, Any], upsampler: DepthUpsampler, notes: dict[str, str]) -> bytes:
    """One safetensors file of all networks converted from the up-sampler's, by scale; `notes` go into its metadata."""
    files = {}
    for scale, model in converted.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.xml"
            save_openvino(model, path)
            files[scale] = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    if upsampler.scales is not None:
        notes = {"scales": "-".join(f"{scale:g}" for scale in upsampler.scales), **notes}
    return compiled_bytes(files, upsampler.model.config, {"converted_from": upsampler.sha256, **notes})


def _notes(upsampler: DepthUpsampler) -> dict[str, str]:
    contract = CONTRACT | (ERROR_CONTRACT if upsampler.expects_error else {})
    about = {"weights": upsampler.name, "sha256": upsampler.sha256, "config": upsampler.model.config.to_json()}
    return contract | about


def _write_onnx(upsampler: DepthUpsampler, model: BridgeNet, path: Path) -> None:
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
            input_names=["rgb", "d_up"], output_names=["residual", ERROR_OUTPUT][: 1 + model.expects_error],
            opset_version=OPSET, verbose=False,
        )  # fmt: skip
    if program is None:
        raise ValueError("torch made no ONNX program")
    program.model.metadata_props.update(_notes(upsampler))
    program.save(path, external_data=False)
