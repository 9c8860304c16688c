"""Logarithms of probabilities, computed from what the probabilities were made of.

-log(softmax(x)) is infinite, and its gradient not a number, as soon as a
probability rounds to 0. Rewritten before the gradient is taken, both are exact
for every finite x.
"""

from __future__ import annotations

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.math import softplus

from ..ops.softmax import LogSoftmax, Softmax, SoftmaxCrossentropy
from .patterns import constant_value, elemwise_inputs

__all__ = ["crossentropy_of_softmax", "stable_log"]


def crossentropy_of_softmax(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """crossentropy(softmax(x), labels) as one operation on x."""
    p, labels = node.inputs
    if p.owner is None or not isinstance(p.owner.op, Softmax):
        return None
    return SoftmaxCrossentropy()(p.owner.inputs[0], labels)[0]


def stable_log(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """log(softmax(x)), log(sigmoid(x)) and log(1 - sigmoid(x)) without the probabilities."""
    p = node.inputs[0]
    if isinstance(node.op.scalar_op, scalar.Log1p):
        negated = elemwise_inputs(p, scalar.Neg)
        logit = negated and elemwise_inputs(negated[0], Sigmoid)
        return -softplus(logit[0]) if logit else None
    if p.owner is not None and isinstance(p.owner.op, Softmax):
        return LogSoftmax()(p.owner.inputs[0])
    if logit := elemwise_inputs(p, Sigmoid):
        return -softplus(-logit[0])
    difference = elemwise_inputs(p, scalar.Sub)
    if not difference or constant_value(difference[0]) != 1:
        return None
    logit = elemwise_inputs(difference[1], Sigmoid)
    return -softplus(logit[0]) if logit else None
