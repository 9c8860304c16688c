"""Comparisons, and choices by them: activations that are spelt out."""

from __future__ import annotations

from typing import Any

import numpy as np
from lasagne.layers import ElemwiseSumLayer, NonlinearityLayer

from ...layers import BroadcastMergeLayer, ChoiceLayer
from ...nonlinearities import Comparison, softplus
from ..plan import PlannedLayer
from ..reading import Node
from .activations import applied
from .arithmetic import scaled_and_moved, spread_over
from .axes import seen_through, transposed, turned_back
from .nodes import number, reads, unsupported

__all__: list[str] = []

_RELATIONS = {
    "Equal": "==",
    "Greater": ">",
    "GreaterOrEqual": ">=",
    "Less": "<",
    "LessOrEqual": "<=",
}
#: The same relations, with their two sides exchanged.
_EXCHANGED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "=="}


@reads(*_RELATIONS)
def _comparison(reader: Any, node: Node) -> PlannedLayer:
    relation = _RELATIONS[node.operator]
    found = reader.layer_and_constant(node)
    if found is None:
        difference = _merge(reader, node, reader.layers(node), "sub")
        return reader.plan.add(
            node.outputs[0], NonlinearityLayer, difference, nonlinearity=Comparison(relation)
        )
    x, constant, constant_first = found
    relation = _EXCHANGED[relation] if constant_first else relation
    if constant.size == 1:
        return applied(reader, node, x, Comparison(relation, float(constant.item())))
    source, order = seen_through(x)
    offset = -turned_back(node, constant.astype(np.float64), order)
    offset = spread_over(node, offset, source)
    difference = scaled_and_moved(reader, node, source, offset=offset)
    y = applied(reader, node, difference, Comparison(relation))
    return y if source is x else transposed(reader, f"{node.outputs[0]}_turned", y, order)


def _merge(reader: Any, node: Node, inputs: list[PlannedLayer], function: str) -> PlannedLayer:
    from theano import tensor

    if len(inputs) != 2 or len(inputs[0].shape) != len(inputs[1].shape):
        raise unsupported(node, f"values of the shapes {[each.shape for each in inputs]} merged")
    return reader.plan.add(
        f"{node.outputs[0]}_{function}",
        BroadcastMergeLayer,
        inputs,
        merge_function=getattr(tensor, function),
    )


@reads("Not")
def _negation(reader: Any, node: Node) -> PlannedLayer:
    return applied(reader, node, reader.layer(node, 0), Comparison("==", 0.0))


#: Of ones and zeros: what is above 0 where the result is true.
_CONNECTED = {"And": ("mul", Comparison(">")), "Or": ("add", Comparison(">")), "Xor": None}


@reads(*_CONNECTED)
def _connection(reader: Any, node: Node) -> PlannedLayer:
    function, comparison = _CONNECTED[node.operator] or ("sub", Comparison("!="))
    both = _merge(reader, node, reader.layers(node), function)
    return reader.plan.add(node.outputs[0], NonlinearityLayer, both, nonlinearity=comparison)


@reads("Where")
def _choice(reader: Any, node: Node) -> PlannedLayer:
    fixed = reader.constant_or_none(node, 0)
    if fixed is not None:
        if fixed.size != 1:
            raise unsupported(node, f"a choice by a constant of shape {fixed.shape}")
        return _always(reader, node, fixed)
    condition = reader.layer(node, 0)
    constants = [reader.constant_or_none(node, position) for position in (1, 2)]
    values: list[Any] = [
        reader.layer(node, position) if constant is None else constant
        for position, constant in enumerate(constants, 1)
    ]
    layers = [condition, *(each for each in values if isinstance(each, PlannedLayer))]
    orders = [seen_through(each)[1] for each in layers]
    order = orders[0]
    if seen_through(condition)[0] is not condition and all(each == order for each in orders):
        condition = seen_through(condition)[0]
        values = [
            seen_through(each)[0]
            if isinstance(each, PlannedLayer)
            else turned_back(node, each, order)
            for each in values
        ]
        y = _chosen(reader, node, condition, values)
        return transposed(reader, f"{node.outputs[0]}_turned", y, order)
    return _chosen(reader, node, condition, values)


def _always(reader: Any, node: Node, fixed: np.ndarray) -> PlannedLayer:
    """The value that a constant chooses, which must be as large as what is chosen from."""
    position, other = (1, 2) if fixed.item() else (2, 1)
    x, constant = reader.layer(node, position), reader.constant_or_none(node, other)
    beside = (1, *reader.layer(node, other).shape) if constant is None else constant.shape
    own = (1, *x.shape)
    if np.broadcast_shapes(own, beside, fixed.shape) != own:
        raise unsupported(node, f"a value of shape {x.shape} chosen beside one of shape {beside}")
    return x


def _chosen(reader: Any, node: Node, condition: PlannedLayer, values: list[Any]) -> PlannedLayer:
    """The first of two values where the condition holds; each is a layer or a constant."""
    known = _known_function(condition, values)
    if known is not None:
        x, function = known
        return reader.plan.add(node.outputs[0], NonlinearityLayer, x, nonlinearity=function)
    numbers: dict[str, float] = {}
    layers = [condition]
    for name, value in zip(("first", "second"), values, strict=True):
        if isinstance(value, PlannedLayer):
            layers.append(value)
        elif value.size == 1:
            numbers[name] = float(value.item())
        else:  # nothing of the condition is left
            offset = spread_over(node, value, condition)
            nothing = np.zeros((1,) * offset.ndim)
            layers.append(scaled_and_moved(reader, node, condition, nothing, offset))
    if any(len(each.shape) != len(condition.shape) for each in layers):
        raise unsupported(node, f"values of the shapes {[each.shape for each in layers]} merged")
    return reader.plan.add(node.outputs[0], ChoiceLayer, layers, **numbers)


#: From here on softplus(x) is x in float32.
_STEEP = 17.0


def _known_function(condition: PlannedLayer, values: list[Any]) -> tuple[PlannedLayer, Any] | None:
    """What is chosen as a nonlinearity that has a name, and of which layer; None for others."""
    from lasagne.nonlinearities import LeakyRectify, rectify

    comparison = condition.params.get("nonlinearity")
    if condition.layer_class is not NonlinearityLayer or not isinstance(comparison, Comparison):
        return None
    x = condition.incoming[0]
    if comparison.relation in ("<", "<="):
        values = values[::-1]
    elif comparison.relation not in (">", ">="):
        return None
    above, below = values
    if above is not x:
        return None
    if isinstance(below, PlannedLayer) and below.params.get("nonlinearity") is softplus:
        if below.incoming == [x] and comparison.bound >= _STEEP:
            return x, softplus
        return None
    slope = _slope(below, x)
    if slope is None or comparison.bound != 0:
        return None
    return x, rectify if slope == 0 else LeakyRectify(slope)


def _slope(value: Any, x: PlannedLayer) -> float | None:
    """What x is multiplied by to be a value; None for other values."""
    if not isinstance(value, PlannedLayer):
        return 0.0 if value.size == 1 and value.item() == 0 else None
    if value.layer_class is ElemwiseSumLayer and value.incoming == [x]:
        return float(value.params["coeffs"][0])
    return None


@reads("ThresholdedRelu")
def _rectifier_with_threshold(reader: Any, node: Node) -> PlannedLayer:
    """x above alpha, and 0 elsewhere."""
    x, alpha = reader.layer(node, 0), number(node, "alpha", 1.0)
    above = reader.plan.add(
        f"{node.outputs[0]}_above", NonlinearityLayer, x, nonlinearity=Comparison(">", alpha)
    )
    return reader.plan.add(node.outputs[0], ChoiceLayer, [above, x], second=0.0)
