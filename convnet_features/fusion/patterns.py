"""Questions that fusion rules ask of a graph."""

from __future__ import annotations

from typing import Any

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise

__all__ = [
    "constant_value",
    "elemwise_inputs",
    "joined_arrays",
    "only_client",
    "rectified",
    "split_by",
]


def elemwise_inputs(variable: Variable, *scalar_ops: type) -> list[Variable] | None:
    """The inputs of the element-wise operation that made `variable`, if it is one of these."""
    node = variable.owner
    if node is None or not isinstance(node.op, Elemwise):
        return None
    return list(node.inputs) if isinstance(node.op.scalar_op, scalar_ops) else None


def constant_value(variable: Variable) -> float | None:
    """The number that `variable` is everywhere, or None."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if isinstance(variable, Constant) and getattr(variable.data, "size", 0) == 1:
        return float(variable.data.item())
    return None


def joined_arrays(node: Apply) -> tuple[float | None, list[Variable]]:
    """The axis along which a `Join` puts arrays behind each other, and the arrays.

    Up to PyTensor 3.0 the axis is the first input, later a property.
    """
    axis = getattr(node.op, "axis", None)
    if axis is not None:
        return axis, list(node.inputs)
    return constant_value(node.inputs[0]), list(node.inputs[1:])


def only_client(fgraph: FunctionGraph, variable: Variable, *clients: Apply) -> bool:
    """Whether nothing but `clients` uses `variable`."""
    return all(node in clients for node, _ in fgraph.clients[variable])


def split_by(inputs: list[Variable], test: Any) -> tuple[Variable, Variable] | None:
    """The two inputs as (the one that passes `test`, the other), or None."""
    if len(inputs) != 2:
        return None
    for chosen, other in (inputs, inputs[::-1]):
        if test(chosen):
            return chosen, other
    return None


def rectified(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """The x that `node` rectifies, if that is all x is used for.

    Understands ``0.5 * (x + abs(x))``, as Lasagne 0.1 and Theano write it, and
    ``maximum(x, 0)``.
    """
    if isinstance(node.op.scalar_op, scalar.Maximum | scalar.ScalarMaximum):
        parts = split_by(list(node.inputs), lambda value: constant_value(value) == 0)
        return parts[1] if parts and only_client(fgraph, parts[1], node) else None
    parts = split_by(list(node.inputs), lambda value: constant_value(value) == 0.5)
    if parts is None or not isinstance(node.op.scalar_op, scalar.Mul):
        return None
    total = parts[1]
    halves = split_by(
        elemwise_inputs(total, scalar.Add) or [],
        lambda value: bool(elemwise_inputs(value, scalar.Abs)),
    )
    if halves is None:
        return None
    absolute, x = halves
    if absolute.owner.inputs[0] is not x or not only_client(fgraph, total, node):
        return None
    if not only_client(fgraph, absolute, total.owner):
        return None
    return x if only_client(fgraph, x, absolute.owner, total.owner) else None
