"""Put the 8-bit ranges of a network quantised for OpenVINO into an ONNX graph of the same network (QDQ form).

Both graphs come from one torch module, but their nodes have other names and constants are folded elsewhere. So a value
is known by its way from the network's inputs: the operations that it went through.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = 255  # of weights, -127 ... 127; activations have one more
# what makes a value of its own, by the names of OpenVINO; all else (casts, constant factors, biases) passes it on
STEPS = {
    "Conv": "Convolution", "ConvTranspose": "ConvolutionBackpropData", "Relu": "Relu", "PRelu": "PRelu",
    "Sigmoid": "Sigmoid", "MaxPool": "MaxPool", "AveragePool": "AvgPool", "ReduceMean": "ReduceMean",
    "ReduceMax": "ReduceMax", "Concat": "Concat", "DepthToSpace": "DepthToSpace", "Add": "Add", "Mul": "Multiply",
    "Sub": "Subtract", "Tanh": "Tanh",
}  # fmt: skip
CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData")
UNORDERED = ("Add", "Multiply")
Way = int  # the hash of one; within a process the same for the same operations
Range = tuple[float, float]


def insert_ranges(model: Any, quantised: Any) -> None:
    """Quantise an `onnx_ir.Model` in place by the ranges of a quantised `openvino.Model` of its network.

    Raises
    ------
    ValueError
        If a range of the one finds no place in the other: they are not of one network.
    """
    ranges = dict(_ranges(quantised))
    values = dict(_ends_of_ways(model))
    if missing := ranges.keys() - values.keys():
        raise ValueError(f"{len(missing)} of {len(ranges)} ranges belong to another network")
    scales: dict[Any, float] = {}
    for way, limits in ranges.items():
        for value in values[way]:
            _quantise_value(model, value, limits, scales)
    for node in list(model.graph):
        if STEPS.get(node.op_type) in CONVOLUTIONS:
            _quantise_weights(model, node, scales)


def _ranges(quantised: Any) -> Iterator[tuple[Way, Range]]:
    """The ways of all values that OpenVINO rounds to 8 bits."""
    ways: dict[Any, Way | None] = {}
    for node in quantised.get_ordered_ops():
        kind, inputs = node.get_type_name(), [port.get_source_output().get_node() for port in node.inputs()]
        before = [ways[each.get_friendly_name()] for each in inputs]
        width = inputs[1].get_output_partial_shape(0)[0].get_length() if kind in CONVOLUTIONS else 0
        if kind == "Parameter":
            ways[node.get_friendly_name()] = hash(node.get_output_tensor(0).any_name)
        else:
            ways[node.get_friendly_name()] = _way(kind if kind in STEPS.values() else "", before, width)
        if kind == "FakeQuantize" and before[0] is not None:
            low, high = (float(inputs[i].get_data().item()) for i in (1, 2))
            yield before[0], (low, high)


def _ends_of_ways(model: Any) -> dict[Way, list[Any]]:
    """The values of the ONNX graph by their way; of values with the same way the last ones."""
    ways: dict[Any, Way | None] = {}
    for node in model.graph:
        kind = STEPS.get(node.op_type, "")
        before = [None if value is None else ways.get(value) for value in node.inputs]
        width = node.inputs[1].shape[0] if kind in CONVOLUTIONS else 0
        if kind in CONVOLUTIONS and before[0] is None:
            # a network begins with its first convolutions, which no other precedes
            name = "rgb" if node.inputs[1].shape[1] == 3 else "d_up"
            ways[node.inputs[0]] = before[0] = hash(name)
        way = _way(kind, before, width) if any(each is not None for each in before) else None
        for value in node.outputs:
            ways[value] = way
    ends: dict[Way, list[Any]] = {}
    for value, way in ways.items():
        if way is not None and not any(ways.get(use.node.outputs[0]) == way for use in value.uses()):
            ends.setdefault(way, []).append(value)
    return ends


def _way(kind: str, before: list[Way | None], width: int) -> Way | None:
    """A value's way from those of a node's inputs, of which constants have None."""
    known = [each for each in before if each is not None]
    if not kind or (kind in (*UNORDERED, "Subtract") and len(known) < 2):
        return known[0] if known else None
    if not known:
        return None
    return hash((kind, width, *(sorted(known) if kind in UNORDERED else known)))


def _quantise_value(model: Any, value: Any, limits: Range, scales: dict[Any, float]) -> None:
    """Let all readers of a value see it rounded to 8 bits."""
    import onnx_ir as ir

    low, high = limits
    scale = (high - low) / LEVELS
    uses = list(value.uses())
    scale_value = _constant(model, f"{value.name}_scale", np.float32(scale))
    zero = _constant(model, f"{value.name}_zero", np.uint8(np.clip(round(-low / scale), 0, LEVELS)))
    rounded = ir.node("QuantizeLinear", [value, scale_value, zero], name=f"{value.name}_quantise")
    back = ir.node("DequantizeLinear", [rounded.outputs[0], scale_value, zero], name=f"{value.name}_dequantise")
    rounded.outputs[0].name, back.outputs[0].name = f"{value.name}_8bit", f"{value.name}_rounded"
    model.graph.insert_after(value.producer(), [rounded, back])
    for user, index in uses:
        user.replace_input_with(index, back.outputs[0])
    scales[back.outputs[0]] = scale


def _quantise_weights(model: Any, node: Any, scales: dict[Any, float]) -> None:
    """Store the weights of a convolution in 8 bits and its bias in 32, where its input has 8 bits."""
    scale = scales.get(_before_pooling(node.inputs[0]))
    if scale is None:
        return
    weight = node.inputs[1].const_value.numpy()
    axis = 0 if node.op_type == "Conv" else 1
    others = tuple(i for i in range(weight.ndim) if i != axis)
    steps = np.maximum(np.abs(weight).max(others), 1e-8).astype(np.float32) / (LEVELS // 2)
    shaped = steps.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    _store(model, node, 1, np.rint(weight / shaped).astype(np.int8), steps, axis)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias_steps = (steps * np.float32(scale)).astype(np.float32)
        bias = np.rint(node.inputs[2].const_value.numpy() / bias_steps)
        _store(model, node, 2, bias.clip(-(2**31), 2**31 - 1).astype(np.int32), bias_steps, 0)


def _before_pooling(value: Any) -> Any:
    while value.producer() is not None and value.producer().op_type in ("MaxPool", "DepthToSpace"):
        value = value.producer().inputs[0]
    return value


def _store(
    model: Any, node: Any, index: int, numbers: npt.NDArray[Any], steps: npt.NDArray[np.float32], axis: int
) -> None:
    import onnx_ir as ir

    old = node.inputs[index]
    stored = _constant(model, f"{node.name}_{index}_stored", numbers)
    step = _constant(model, f"{node.name}_{index}_step", steps)
    zero = _constant(model, f"{node.name}_{index}_zero", np.zeros(len(steps), numbers.dtype))
    back = ir.node("DequantizeLinear", [stored, step, zero], {"axis": axis}, name=f"{node.name}_{index}_dequantise")
    back.outputs[0].name = f"{node.name}_{index}_rounded"
    model.graph.insert_before(node, back)
    node.replace_input_with(index, back.outputs[0])
    if not old.uses():
        model.graph.initializers.pop(old.name)


def _constant(model: Any, name: str, number: Any) -> Any:
    import onnx_ir as ir

    value = ir.val(name, const_value=ir.tensor(np.asarray(number), name=name))
    value.name = name
    model.graph.initializers.add(value)
    return value
