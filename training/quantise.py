"""8-bit integer form of a shipped checkpoint for OpenVINO, by post-training quantisation on procedural pairs.

`python -m training.quantise --weights lite --config training/configs/lite.toml` writes NAME-int8 beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from training.config import DataConfig, RunConfig
from training.pool import Pool
from training.sampler import draw, make_batch

SAMPLES, SIDE = 100, 256
OUTLIERS = 1e-4  # share of the activations that may be clipped; min and max cost three times as much accuracy
Inputs = dict[str, npt.NDArray[np.float32]]


def calibration_inputs(config: RunConfig, pool: Pool, count: int, side: int) -> Iterator[Inputs]:
    """Network inputs of procedural pairs, degraded as in training: (1, 3, side, side) and (1, 1 or 2, side, side)."""
    data: DataConfig = replace(config.data, real_share=0.0, batch=1, patch=side, patch_coarse=side)
    cells = (pool.rgb.shape[-1] - side) // 16 + 1
    for step in range(count):
        batch = make_batch(data, pool, draw(data, pool.real.cpu(), cells, config.seed, step))
        d_up = batch.depth_input(config.model.validity_input)
        yield {name: x.contiguous().numpy() for name, x in (("rgb", batch.rgb), ("d_up", d_up))}


def quantise(network: Any, inputs: list[Inputs]) -> Any:
    """Quantise an `openvino.Model` to 8-bit weights and activations.

    The first conv of D_up and everything after the last activation stay float32: their values are depth itself.
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
    """Operations between D_up and the first conv, and between the last conv and D_SR, both convs included."""
    d_up, d_sr = network.input("d_up").get_node(), network.output("d_sr").get_node()
    return sorted({*_names_to_conv(d_up, _consumers), *_names_to_conv(d_sr, _producers)})


def _names_to_conv(start: Any, neighbours: Callable[[Any], list[Any]]) -> set[str]:
    names: set[str] = set()
    pending = [start]
    while pending:
        node = pending.pop()
        if node.get_type_name() not in ("Parameter", "Constant", "Result"):
            names.add(node.get_friendly_name())
        elif node is not start:
            continue
        if node.get_type_name() != "Convolution":
            pending += neighbours(node)
    return names


def _consumers(node: Any) -> list[Any]:
    return [port.get_node() for output in node.outputs() for port in output.get_target_inputs()]


def _producers(node: Any) -> list[Any]:
    return [port.get_source_output().get_node() for port in node.inputs()]
