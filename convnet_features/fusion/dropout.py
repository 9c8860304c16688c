"""Dropout as one multiplication forwards and one backwards."""

from __future__ import annotations

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar

from ..ops.random import Bernoulli
from .patterns import constant_value, elemwise_inputs, only_client, split_by

__all__ = ["scaled_mask", "shape_before_scaling"]


def shape_before_scaling(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """The shape of x / c is taken of x, so that nothing holds on to the quotient."""
    quotient = node.inputs[0]
    division = elemwise_inputs(quotient, scalar.TrueDiv)
    if not division or constant_value(division[1]) is None:
        return None
    return node.op(division[0]) if division[0].type.ndim == quotient.type.ndim else None


def scaled_mask(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """(x / c) * mask as x * (a mask of zeros and 1/c), as Lasagne's DropoutLayer writes it."""
    parts = split_by(list(node.inputs), _is_mask)
    if parts is None:
        return None
    mask, quotient = parts
    division = elemwise_inputs(quotient, scalar.TrueDiv)
    if not division or not only_client(fgraph, mask, node):
        return None
    x, retained = division[0], constant_value(division[1])
    if not retained or x.type.dtype != mask.type.dtype or not only_client(fgraph, quotient, node):
        return None
    draw = mask.owner
    if fgraph.clients[draw.outputs[0]]:
        return None  # whoever goes on with the generator would find it advanced twice
    scaled = draw.op.with_props(one=1.0 / retained)
    return x * scaled(*draw.inputs)[1]


def _is_mask(variable: Variable) -> bool:
    node = variable.owner
    return (
        node is not None
        and isinstance(node.op, Bernoulli)
        and variable is node.outputs[1]
        and node.op.one == 1.0
    )
