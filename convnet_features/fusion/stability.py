"""Expressions that are finite, with their gradients, wherever Theano's were.

Theano differentiated a cost as it was written and mended the result: its optimiser knew what to
make of log(softmax(x)), and of its gradient. Here a cost is mended before it is differentiated, so
that rules need to know costs only, and again when a function is compiled.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar
from pytensor.tensor.elemwise import CAReduce, DimShuffle

from ..ops.softmax import Softmax, SoftmaxCrossentropy
from .logarithms import (
    exponent_of,
    is_one,
    log_of,
    log_of_complement,
    number,
    one_plus,
    sum_of_powers,
)
from .patterns import constant_value, elemwise_inputs

__all__ = [
    "crossentropy_of_known",
    "stable_difference",
    "stable_log",
    "stable_log1p",
    "stable_quotient",
]

#: Bases of logarithms.
_BASES: dict[type, float] = {scalar.Log2: 2, scalar.Log10: 10}


def _of_the_same_type(
    rule: Callable[[Apply], Variable | None],
) -> Callable[[FunctionGraph | None, Apply], Variable | None]:
    """`rule` as rules are called; its result in the dtype, and of the axes, of the original."""

    @functools.wraps(rule)  # so that pickle finds it
    def typed(fgraph: FunctionGraph | None, node: Apply) -> Variable | None:
        original = node.outputs[0].type
        if not str(getattr(original, "dtype", "")).startswith("float"):
            return None
        replacement = rule(node)
        if replacement is None:
            return None
        if replacement.type.dtype != original.dtype:
            replacement = pt.cast(replacement, original.dtype)
        if replacement.type.broadcastable != original.broadcastable:
            return None
        return replacement

    return typed


@_of_the_same_type
def crossentropy_of_known(node: Apply) -> Variable | None:
    """crossentropy(softmax(x), labels) as one operation on x; a choice where log p is known."""
    p, labels = node.inputs
    if p.owner is not None and isinstance(p.owner.op, Softmax):
        return SoftmaxCrossentropy()(p.owner.inputs[0], labels)[0]
    log = log_of(p)
    return None if log is None else -log[pt.arange(labels.shape[0]), labels]


@_of_the_same_type
def stable_log(node: Apply) -> Variable | None:
    """A logarithm of what `log_of` knows, to any base, and log(1 + x) as log1p."""
    p = node.inputs[0]
    log = log_of(p)
    base = _BASES.get(type(node.op.scalar_op))
    if log is not None:
        return log if base is None else log * number(1 / math.log(base), log)
    other = one_plus(p) if base is None else None
    return None if other is None else pt.log1p(other)


@_of_the_same_type
def stable_log1p(node: Apply) -> Variable | None:
    """log1p(-sigmoid(x)), log1p(exp(x)) and log1p(-exp(x))."""
    if negated := elemwise_inputs(node.inputs[0], scalar.Neg):
        return log_of_complement(negated[0])
    exponent = exponent_of(node.inputs[0])
    return None if exponent is None else pt.softplus(exponent)


@_of_the_same_type
def stable_difference(node: Apply) -> Variable | None:
    """exp(x) - 1 as expm1(x)."""
    first, *others = node.inputs
    taken_away = isinstance(node.op.scalar_op, scalar.Sub)
    if len(others) != 1:
        return None
    pairs = [(first, others[0])] if taken_away else [(first, others[0]), (others[0], first)]
    for power, one in pairs:
        base = elemwise_inputs(power, scalar.Exp)
        if base and constant_value(one) == (1 if taken_away else -1):
            return pt.expm1(base[0])
    return None


@_of_the_same_type
def stable_quotient(node: Apply) -> Variable | None:
    """A sigmoid or a softmax that was written out: exponentials divided by their sum."""
    if isinstance(node.op.scalar_op, scalar.Reciprocal):
        above, below = None, node.inputs[0]
    elif isinstance(node.op.scalar_op, scalar.Pow):
        above, below = None, node.inputs[0]
        if constant_value(node.inputs[1]) != -1:
            return None
    else:
        above, below = node.inputs
        above = None if is_one(above) else above
    power = exponent_of(above) if above is not None else None
    other = one_plus(below)
    logit = exponent_of(other) if other is not None else None
    if logit is not None:
        if above is None:
            return pt.sigmoid(_negative(logit))
        if above is other or power is logit:
            return pt.sigmoid(logit)
        if power is None:
            return above * pt.sigmoid(_negative(logit))
    if power is None:
        return None
    if _is_sum_of_rows(below, power):
        return Softmax()(power)
    parts = sum_of_powers(below)
    return None if parts is None else pt.exp(power - parts[0]) / parts[1]


def _is_sum_of_rows(total: Variable, power: Variable) -> bool:
    """Whether `total` is Σ exp(power) over the rows of a matrix, as a column."""
    if power.type.ndim != 2 or power.type.dtype not in ("float32", "float64"):
        return False
    node = total.owner
    if node is None or not isinstance(node.op, DimShuffle) or node.op.new_order != (0, "x"):
        return False
    node = node.inputs[0].owner
    return (
        node is not None
        and isinstance(node.op, CAReduce)
        and isinstance(node.op.scalar_op, scalar.Add)
        and node.op.axis == (1,)
        and exponent_of(node.inputs[0]) is power
    )


def _negative(z: Variable) -> Variable:
    negated = elemwise_inputs(z, scalar.Neg)
    return negated[0] if negated else -z
