"""Write the whole job, or the network alone, as an ONNX or OpenVINO file. Its metadata describe the interface."""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import bridgenet_infer

from ..backends.openvino import ERROR_OUTPUT, CompiledBridgeNet
from ..backends.per_scale import NetworkPerScale, network_for, networks_of
from ..graph import SIZE_MULTIPLE, BridgeNet
from ..pipeline.validate import resolve_scale
from ..upsampler import DepthUpsampler
from ..weights import compiled_bytes, manifest_path
from .finish import finish, name_axes
from .quantised import insert_ranges
from .whole_job import WholeJob

Format = Literal["onnx", "openvino"]
Example = tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]]
SUFFIXES: dict[Format, tuple[str, ...]] = {"onnx": (".onnx",), "openvino": (".xml", ".safetensors")}
OPSET = 18

CONTRACT = {
    "input rgb": "(H, W, 3) uint8, red green blue",
    "input lr_depth": "(h, w) float32 in any unit, registered to rgb; 0, NaN, infinite and negative samples are holes. "
    "H and W are 2 to 16 times h and w, or rgb of another size is refused by an error",
    "output depth": "(H, W) float32 in the unit of lr_depth, NaN in holes",
    "output valid": "(H, W) bool: False where the nearest sample of lr_depth is a hole",
}
NETWORK_CONTRACT = {
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
    f"output {ERROR_OUTPUT}": "(H, W) float32 in the unit of lr_depth, NaN in holes, the scale of a Laplace "
    "distribution",
}
NETWORK_ERROR_CONTRACT = {
    f"output {ERROR_OUTPUT}": "(1, 1, H, W) float32: reach times this is the expected error of the depth, the scale of "
    "a Laplace distribution",
}


@dataclass(frozen=True)
class Form:
    """The form of an exported file.

    Attributes
    ----------
    network_alone
        Without the steps around the network, see `NETWORK_CONTRACT`.
    batch
        All inputs and outputs have a leading axis of this size; 0 leaves it free, None is no such axis.
    size
        (H, W) of the image, fixed, and with it (h, w), which is this divided by the scale; None leaves all free.
    half
        Weights are stored in float16. They are computed with in float32.
    """

    network_alone: bool = False
    batch: int | None = None
    size: tuple[int, int] | None = None
    half: bool = False


NETWORK = Form(network_alone=True)


class _Reconstruction(nn.Module):
    """The graph without D_DE, its inputs named as in the file; the expected error where it has a head for it."""

    def __init__(self, model: BridgeNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, rgb: Tensor, d_up: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model(rgb, d_up, expect_error=self.model.expects_error)
        return tuple(output for output in outputs if output is not None)


def export(
    upsampler: DepthUpsampler, path: Path, kind: Format, scale: float | None = None, form: Form | None = None
) -> None:
    """Write a file that does what the up-sampler does at a scale, or its network alone.

    Parameters
    ----------
    path
        An .onnx file; for OpenVINO an .xml, with its .bin beside it, or a .safetensors, which holds the networks alone
        of all scales in one file, as `DepthUpsampler.from_pretrained` reads it.
    scale
        Which of several networks, unless the file is a .safetensors; a fixed size needs it, too.
    form
        Of an .onnx or .xml; by default the whole job, one image of any size, in float32.

    Raises
    ------
    ValueError
        If the path's suffix is not the format's, no scale tells which of several networks or which size is meant, they
        do not fit, or the network was converted already.
    ImportError
        If a package of the extra "export" is missing.
    OSError
        If the file cannot be written.
    """
    form = form or Form()
    if path.suffix not in SUFFIXES[kind]:
        raise ValueError(f"{kind} files end in {' or '.join(SUFFIXES[kind])}, got {path}")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if path.suffix == ".safetensors":
            if form != Form():
                raise ValueError(f"a .safetensors holds the networks as they are, got {form}")
            converted = {each: convert_to_openvino(upsampler, each) for each in scales_of(upsampler)}
            (Path(folder) / path.name).write_bytes(pack_openvino(converted, upsampler, {}))
        elif kind == "onnx":
            _write_onnx(upsampler, scale, form, Path(folder) / path.name)
        else:
            model = convert_to_openvino(upsampler, scale, form)
            save_openvino(model, Path(folder) / path.name, form.half)
            os.replace((Path(folder) / path.name).with_suffix(".bin"), path.with_suffix(".bin"))
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


def is_quantised(upsampler: DepthUpsampler) -> bool:
    """Whether the weights are a network for OpenVINO."""
    return isinstance(networks_of(upsampler.model)[0], CompiledBridgeNet)


def _source_of(upsampler: DepthUpsampler) -> DepthUpsampler:
    """The float weights that quantised ones of the manifest were made of."""
    entries = json.loads(manifest_path().read_text(encoding="utf-8"))["checkpoints"]
    source = next((e["quantised"]["from"] for e in entries if e["sha256"] == upsampler.sha256 and "quantised" in e), "")
    name = next((entry["name"] for entry in entries if entry["sha256"] == source), None)
    if name is None:
        raise ValueError(f"weights {upsampler.name!r} are a converted network already")
    return DepthUpsampler.from_pretrained(name, device="cpu")


def convert_to_openvino(upsampler: DepthUpsampler, scale: float | None = None, form: Form = NETWORK) -> Any:
    """What `export` writes, as an `openvino.Model` with everything constant folded; raises as `export`."""
    import openvino
    from openvino.passes import ConstantFolding, Manager

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _write_onnx(upsampler, scale, replace(form, half=False), path)
        converted = openvino.convert_model(path)
    folding = Manager()
    folding.register_pass(ConstantFolding())  # the folded head: its weights are computed in the graph
    folding.run_passes(converted)
    for name, text in _notes(upsampler, scale, form).items():
        converted.set_rt_info(text, ["bridgenet", name.replace(" ", "_")])
    return converted


def save_openvino(model: Any, path: Path, half: bool = False) -> None:
    """Write .xml and .bin; weights keep their precision, unless they are to be stored in float16."""
    import openvino

    openvino.save_model(model, path, compress_to_fp16=half)


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


def _notes(upsampler: DepthUpsampler, scale: float | None, form: Form) -> dict[str, str]:
    entries = json.loads(manifest_path().read_text(encoding="utf-8"))["checkpoints"]
    kernels = {entry["sha256"]: entry["lr_kernel"] for entry in entries}
    contract, further = (NETWORK_CONTRACT, NETWORK_ERROR_CONTRACT) if form.network_alone else (CONTRACT, ERROR_CONTRACT)
    return (
        contract
        | (further if upsampler.expects_error else {})
        | {
            "version": bridgenet_infer.__version__,
            "weights": upsampler.name,
            "scale": "" if scale is None else f"{scale:g}",
            "sha256": upsampler.sha256,
            "LR kernel": kernels.get(upsampler.sha256, "not in the manifest"),
            "config": upsampler.model.config.to_json(),
        }
    )


def _write_onnx(upsampler: DepthUpsampler, scale: float | None, form: Form, path: Path) -> None:
    """One file, weights inside."""
    import onnxscript  # noqa: F401  # torch would say less clearly that it is missing

    floats = _source_of(upsampler) if is_quantised(upsampler) else upsampler
    network = choose_network(floats, scale)
    module: nn.Module = _Reconstruction(network) if form.network_alone else WholeJob(network, form.batch is not None)
    inputs = "rgb", "d_up" if form.network_alone else "lr_depth"
    outputs = [*(("residual",) if form.network_alone else ("depth", "valid")), *[ERROR_OUTPUT] * network.expects_error]
    example, free = _network_inputs(network, form) if form.network_alone else _whole_inputs(scale, form)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            torch.export.export(module.eval(), example, dynamic_shapes=free, strict=False), dynamo=True,
            input_names=inputs, output_names=outputs, opset_version=OPSET, verbose=False,
        )  # fmt: skip
    if program is None:
        raise ValueError("torch made no ONNX program")
    if not form.network_alone:
        lead = () if form.batch is None else ("N",)
        name_axes(program.model, ((*lead, "H", "W"), (*lead, "h", "w")))
    if floats is not upsampler:
        quantised = networks_of(upsampler.model)[networks_of(floats.model).index(network)]
        assert isinstance(quantised, CompiledBridgeNet)
        insert_ranges(program.model, quantised.network)
    finish(program.model, _notes(upsampler, scale, form), form.half)
    program.save(path, external_data=False)


def _network_inputs(network: BridgeNet, form: Form) -> Example:
    """Tensors to trace the network with, and their free axes."""
    height, width = (-(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE for side in form.size or (64, 96))
    channels = 2 if network.config.validity_input else 1
    example = tuple(torch.zeros(form.batch or 1, count, height, width) for count in (3, channels))
    # from 2: torch takes a size of 1 for a constant
    rows, columns = torch.export.Dim("rows", min=2, max=4096), torch.export.Dim("columns", min=2, max=4096)
    free = {} if form.size else {2: SIZE_MULTIPLE * rows, 3: SIZE_MULTIPLE * columns}
    return example, (free, free)


def _whole_inputs(scale: float | None, form: Form) -> Example:
    """The same for the whole job."""
    if form.size and scale is None:
        raise ValueError(f"{form.size} fixes the size of the image alone: name a scale")
    height, width = size = form.size or (100, 132)
    low = (round(height / (scale or 4)), round(width / (scale or 4)))
    resolve_scale(scale if form.size and scale else "auto", low, size)
    lead = () if form.batch is None else (form.batch or 2,)
    lr_depth = torch.linspace(1, 2, low[0] * low[1]).view(low).expand(*lead, *low)
    example = torch.zeros(*lead, height, width, 3, dtype=torch.uint8), lr_depth
    free = {len(lead) + i: torch.export.Dim.DYNAMIC for i in range(0 if form.size else 2)}
    if form.batch == 0:
        free[0] = torch.export.Dim.DYNAMIC
    return example, (free, free)
