"""The last touches to an ONNX graph: notes, errors that name an input, weights in float16."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

MISFIT = "no scale from 2 to 16 explains the sizes of rgb and lr_depth"
LEAST_HALVED = 64  # numbers: what is smaller stays in float32


def finish(model: Any, notes: dict[str, str], half: bool) -> None:
    """Finish an `onnx_ir.Model` in place.

    Parameters
    ----------
    notes
        What its metadata are to say.
    half
        Store the weights in float16, each followed by a cast.
    """
    model.metadata_props.update(notes)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # the lines of source that each comes from
        for value in node.outputs:
            value.metadata_props.clear()
    for node in model.graph:
        if node.op_type == "NonZero":
            _name_failing(node)
    if half:
        _halve_weights(model)


def name_axes(model: Any, axes: Sequence[Sequence[str]]) -> None:
    """Give the free axes of the inputs these names, in place of the exporter's, wherever sizes depend on them."""
    import onnx_ir as ir

    names: dict[str, str] = {}
    for value, words in zip(model.graph.inputs, axes, strict=True):
        names |= {side.value: word for side, word in zip(value.shape, words, strict=False) if _is_named(side)}
    values = [*model.graph.inputs, *(value for node in model.graph.all_nodes() for value in node.outputs)]
    for value in values:
        if value.shape is not None:
            sides = [_renamed(side.value, names) if _is_named(side) else side for side in value.shape]
            value.shape = ir.Shape(sides)


def _is_named(side: Any) -> bool:
    """Neither a number nor unknown, which has no text."""
    return not isinstance(side, int) and side.value is not None


def _renamed(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\b[su]\d+\b", lambda found: names.get(found[0], found[0]), text)


def _name_failing(node: Any) -> None:
    """Runtimes tell the name of the node that fails: the one that finds no index where one should be."""
    reader = node
    while reader.op_type != "Reshape":
        (reader,) = [use.node for use in reader.outputs[0].uses()]
    reader.name = MISFIT


def _halve_weights(model: Any) -> None:
    import onnx_ir as ir

    for value in list(model.graph.initializers.values()):
        array = value.const_value.numpy()
        if array.dtype != np.float32 or array.size < LEAST_HALVED:
            continue
        uses = list(value.uses())
        stored = ir.val(f"{value.name}_float16", const_value=ir.tensor(array.astype(np.float16)))
        stored.name = f"{value.name}_float16"
        cast = ir.node("Cast", [stored], {"to": ir.DataType.FLOAT})
        model.graph.initializers.pop(value.name)
        cast.outputs[0].name = value.name
        model.graph.initializers.add(stored)
        model.graph.insert_before(model.graph[0], cast)
        for user, index in uses:
            user.replace_input_with(index, cast.outputs[0])
