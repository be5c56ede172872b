"""8-bit integer form of a shipped checkpoint for OpenVINO, by post-training quantisation on procedural pairs.

`python -m training.quantise --weights default --config training/configs/default{4,8,16}.toml` writes NAME-int8
beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.backends.openvino import ERROR_OUTPUT
from bridgenet_infer.export import convert_to_openvino, pack_openvino, scales_of
from bridgenet_infer.weights import load_checkpoint, manifest_path
from datasets.folder import data_folder
from training.config import DataConfig, RunConfig, load_config
from training.pool import Pool, load_or_build_pool, plans_of
from training.release import install, validate_network
from training.sampler import draw, make_batch

SAMPLES, SIDE = 100, 256
MOST_LOSS = 1.05  # times the float network's error
OUTLIERS = 1e-4  # share of a pair's activations that may be clipped
COPIED = ("scales", "lr_kernel", "data", "licence", "config")  # from the entry of the float weights

CARD = """# {name}

[`{source}`]({source}.md) with 8-bit weights and activations, for OpenVINO on a CPU
(`pip install 'bridgenet-infer[openvino]'`). The first conv of the depth branch and the head stay float32.
Licence: {licence}.

| | |
|---|---|
| file | {file}, {size:,} bytes: OpenVINO's .xml and .bin in one |
| sha256 | `{sha256}` |
| quantised | from `{source_sha256}` by {tool} on {samples} procedural pairs of {side} x {side} |

Validation (mean absolute difference in grey levels of 0..255), 8-bit against float32: {validation}.
"""
Inputs = dict[str, npt.NDArray[np.float32]]


def quantise_checkpoint(name: str, configs: Sequence[RunConfig]) -> dict[str, Any]:
    """Quantise a checkpoint of the manifest, measure it on the validation scenes, install it as NAME-int8.

    `configs` are those that its networks were trained with, in the order of their scales.

    Raises
    ------
    ImportError
        If a package of the extras "export" and "quantise" is missing.
    KeyError
        If the manifest does not have it.
    RuntimeError
        If the result is worse on the validation scenes by more than 5 %: nothing is installed then.
    """
    import nncf

    upsampler = DepthUpsampler.from_pretrained(name, device="cpu")
    entries = json.loads(manifest_path().read_text(encoding="utf-8"))["checkpoints"]
    source = {entry["name"]: entry for entry in entries}[name]
    real, workers = data_folder() / "train", os.cpu_count() or 1
    if len(configs) != len(scales_of(upsampler)):
        raise ValueError(f"{name!r} holds {len(scales_of(upsampler))} networks, got {len(configs)} configurations")
    quantised = {}
    for scale, config in zip(scales_of(upsampler), configs, strict=True):
        pools = [load_or_build_pool(Path("out", "pools"), plan, real, workers) for plan in plans_of(config.data)]
        inputs = list(calibration_inputs(config, pools, SAMPLES, SIDE))
        quantised[scale] = quantise(convert_to_openvino(upsampler, scale), inputs)
    payload = pack_openvino(quantised, upsampler, {"weights": f"{name}-int8"})
    entry: dict[str, Any] = {
        "name": f"{name}-int8",
        "file": f"{name}-int8.safetensors",
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size": len(payload),
        "repo_id": None,
        "revision": None,
        **{key: source[key] for key in COPIED},
        "quantised": {"from": upsampler.sha256, "tool": f"nncf {nncf.__version__}", "samples": SAMPLES, "side": SIDE},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / entry["file"]
        path.write_bytes(payload)
        results = [validate_network(model, configs) for model in (load_checkpoint(path)[0], upsampler.model)]
    if worse := [key for key, value in results[1].items() if results[0][key] > MOST_LOSS * value]:
        raise RuntimeError(f"{entry['name']} would be worse than {name!r} by more than 5 %: {', '.join(worse)}")
    entry["metrics"] = {"validation": results[0]}
    card = CARD.format(
        **entry,
        **entry["quantised"],
        source=name,
        source_sha256=upsampler.sha256,
        validation=", ".join(f"{key} {results[0][key]:.3f} against {value:.3f}" for key, value in results[1].items()),
    )
    install(entry, payload, card)
    return entry


def calibration_inputs(config: RunConfig, pools: Sequence[Pool], count: int, side: int) -> Iterator[Inputs]:
    """Network inputs of procedural pairs, degraded as in training: (1, 3, side, side) and (1, 1 or 2, side, side)."""
    data: DataConfig = replace(config.data, real_share=0.0, batch=1, parts=1, patch=side)
    for step in range(count):
        batch = make_batch(data, pools, draw(data, pools, config.seed, step))
        d_up = batch.depth_input(config.model.validity_input)
        yield {name: x.contiguous().numpy() for name, x in (("rgb", batch.rgb), ("d_up", d_up))}


def quantise(network: Any, inputs: list[Inputs]) -> Any:
    """Quantise an `openvino.Model` to 8-bit weights and activations.

    The first conv of D_up and everything after the last activation stay float32: they carry the least contrasts.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    clipped = StatisticsCollectorParameters(
        StatisticsType.QUANTILE, AggregatorType.MEAN, quantile_outlier_prob=OUTLIERS
    )
    return nncf.quantize(
        network,
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=kept_names(network)),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParameters(clipped, clipped)
        ),
    )


def kept_names(network: Any) -> list[str]:
    """Operations between D_up and the first conv, and between the last conv and the residual, both convs included; and
    of the head for the expected error all convs, where there is one.
    """
    outputs = {name: output.node for output in network.outputs for name in output.names}
    names = _names_to_conv(network.input("d_up").get_node(), _consumers) | _names_to_conv(
        outputs["residual"], _producers
    )
    if ERROR_OUTPUT in outputs:
        names |= _names_to_conv(outputs[ERROR_OUTPUT], _producers, 2)
    return sorted(names)


def _names_to_conv(start: Any, neighbours: Callable[[Any], list[Any]], convs: int = 1) -> set[str]:
    names: set[str] = set()
    pending = [(start, convs)]
    while pending:
        node, left = pending.pop()
        if node.get_type_name() not in ("Parameter", "Constant", "Result"):
            names.add(node.get_friendly_name())
        elif node is not start:
            continue
        left -= node.get_type_name() == "Convolution"
        if left:
            pending += [(neighbour, left) for neighbour in neighbours(node)]
    return names


def _consumers(node: Any) -> list[Any]:
    return [port.get_node() for output in node.outputs() for port in output.get_target_inputs()]


def _producers(node: Any) -> list[Any]:
    return [port.get_source_output().get_node() for port in node.inputs()]


def main() -> None:
    """Command line of the quantisation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="a name in the manifest")
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="what they were trained with, by scale")
    options = parser.parse_args()
    print(json.dumps(quantise_checkpoint(options.weights, [load_config(path) for path in options.config]), indent=2))


if __name__ == "__main__":
    main()
