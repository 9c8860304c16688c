"""Logarithms and exponentials computed from what their arguments were made of.

log(softmax(x)) is -inf as soon as a probability rounds to 0, and log(1 + exp(x)) is inf as soon
as exp(x) is; both are near x for every finite x. Theano's optimiser knew these expressions. The
functions here know them too; each answers None where the plain expression is as good.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.subtensor as selection
from pytensor.gradient import zero_grad
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as scalar
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, SpecifyShape

from ..ops.softmax import LogSoftmax, Softmax
from .patterns import constant_value, elemwise_inputs, joined_arrays

__all__ = [
    "exponent_of",
    "is_one",
    "log_of",
    "log_of_complement",
    "log_of_sum",
    "number",
    "one_plus",
    "sum_of_powers",
]

#: Operations that only choose or arrange entries of their first input.
_MOVES = (
    selection.AdvancedSubtensor,
    getattr(selection, "AdvancedSubtensor1", selection.AdvancedSubtensor),  # PyTensor before 3.1
    selection.Subtensor,
    DimShuffle,
    JoinDims,
    Reshape,
    SpecifyShape,
    SplitDims,
)
#: How far back from a logarithm it is worth looking.
_DEPTH = 8
#: Sums and products of more terms than that are not taken apart.
_TERMS = 16

#: From a variable, and how far back it is, to what is known of it.
Knower = Callable[[Variable, int], Variable | None]


def log_of(p: Variable, depth: int = 0) -> Variable | None:
    """log p, where `p` is a softmax, a sigmoid or an exponential, or computed from these."""
    if p.owner is None or depth > _DEPTH or not _is_real(p):
        return None
    exponent = exponent_of(p, depth)
    if exponent is not None:
        return exponent
    op, inputs = p.owner.op, p.owner.inputs
    if isinstance(op, Softmax):
        return LogSoftmax()(inputs[0])
    if isinstance(op, _MOVES):
        return _moved(p.owner, log_of, depth)
    if isinstance(op, Join):
        return _joined(p.owner, log_of, depth)
    if isinstance(op, CAReduce):
        return log_of_sum(p, depth)
    if isinstance(op, Elemwise):
        for kinds, rule in _LOGARITHMS:
            if isinstance(op.scalar_op, kinds):
                return rule(p, depth)
    return None


def log_of_complement(p: Variable, depth: int = 0) -> Variable | None:
    """log(1 - p), where `p` is a sigmoid or an exponential, or computed from these."""
    if p.owner is None or depth > _DEPTH or not _is_real(p):
        return None
    op, inputs = p.owner.op, p.owner.inputs
    if logit := elemwise_inputs(p, Sigmoid):
        return -pt.softplus(_as(logit[0], p))
    exponent = exponent_of(p, depth)
    if exponent is not None:
        return pt.log1mexp(exponent)
    if isinstance(op, _MOVES):
        return _moved(p.owner, log_of_complement, depth)
    if isinstance(op, Join):
        return _joined(p.owner, log_of_complement, depth)
    if elemwise_inputs(p, scalar.Cast):
        return _cast(p, log_of_complement, depth)
    if elemwise_inputs(p, scalar.Switch):
        return _switched(p, log_of_complement, depth)
    if elemwise_inputs(p, scalar.Sub) and is_one(inputs[0]):
        return log_of(inputs[1], depth + 1)
    return None


def exponent_of(v: Variable, depth: int = 0) -> Variable | None:
    """The z for which `v` is exp(z): where `v` is an exponential, or computed from nothing else."""
    if v.owner is None or depth > _DEPTH or not _is_real(v):
        return None
    if base := elemwise_inputs(v, scalar.Exp):
        return _as(base[0], v)
    if isinstance(v.owner.op, _MOVES):
        return _moved(v.owner, exponent_of, depth)
    if elemwise_inputs(v, scalar.Cast):
        return _cast(v, exponent_of, depth)
    if elemwise_inputs(v, scalar.Mul):
        return _sum_of_known(_flattened(v, scalar.Mul), v, depth, [1] * _TERMS)
    if quotient := elemwise_inputs(v, scalar.TrueDiv):
        return _sum_of_known(quotient, v, depth, [1, -1])
    return None


def log_of_sum(s: Variable, depth: int = 0) -> Variable | None:
    """log s, where `s` is Σ exp(z): a sum along axes, or of single terms."""
    terms = _flattened(s, scalar.Add)
    if len(terms) == 2 and _is_real(s) and any(is_one(term) for term in terms):
        other = terms[1] if is_one(terms[0]) else terms[0]
        exponent = exponent_of(other, depth + 1)
        return None if exponent is None else pt.softplus(_as(exponent, s))
    parts = sum_of_powers(s, depth)
    return None if parts is None else parts[0] + pt.log(parts[1])


def sum_of_powers(s: Variable, depth: int = 0) -> tuple[Variable, Variable] | None:
    """h and t for which s = exp(h) · t, where `s` is Σ exp(z): neither overflows."""
    if s.owner is None or depth > _DEPTH or not _is_real(s):
        return None
    op = s.owner.op
    if isinstance(op, _MOVES):
        parts = sum_of_powers(s.owner.inputs[0], depth + 1)
        if parts is None:
            return None
        highest, total = (op(part, *s.owner.inputs[1:]) for part in parts)
        return highest, total
    if isinstance(op, CAReduce):
        if not isinstance(op.scalar_op, scalar.Add):
            return None
        exponents = exponent_of(s.owner.inputs[0], depth + 1)
        return None if exponents is None else _along_axes(_as(exponents, s), op.axis)
    if not elemwise_inputs(s, scalar.Add):
        return None
    terms = _flattened(s, scalar.Add)
    exponents = [_log_of_positive(term, s, depth + 1) for term in terms]
    if not terms or any(exponent is None for exponent in exponents):
        return None
    return _term_by_term(exponents)


def one_plus(v: Variable) -> Variable | None:
    """The u for which `v` is 1 + u."""
    if difference := elemwise_inputs(v, scalar.Sub):
        return -difference[1] if is_one(difference[0]) else None
    terms = elemwise_inputs(v, scalar.Add) or []
    if len(terms) != 2:
        return None
    for one, other in (terms, terms[::-1]):
        if is_one(one):
            return other
    return None


def is_one(v: Variable) -> bool:
    """Whether `v` is 1 everywhere: the number, or ``ones_like`` something."""
    if filled := elemwise_inputs(v, scalar.Second):
        return is_one(filled[1])
    if v.owner is not None and isinstance(v.owner.op, Alloc):
        return is_one(v.owner.inputs[0])
    return constant_value(v) == 1


def number(value: float, like: Variable) -> np.ndarray:
    """`value` as a constant that leaves the dtype of `like` as it is."""
    return np.asarray(value, dtype=like.type.dtype)


def _along_axes(z: Variable, axis: Any) -> tuple[Variable, Variable]:
    highest = _shift(pt.max(z, axis=axis, keepdims=True))
    total = pt.sum(pt.exp(z - highest), axis=axis)
    return pt.sum(highest, axis=axis), total  # a sum over axes of length 1


def _term_by_term(exponents: Sequence[Any]) -> tuple[Variable, Variable]:
    highest = functools.reduce(pt.maximum, exponents)
    highest = _shift(highest)
    powers = [pt.exp(exponent - highest) for exponent in exponents]
    return highest, sum(powers[1:], start=powers[0])


def _shift(highest: Any) -> Any:
    """`highest`, constant for gradients: log Σ exp(z) does not depend on the number put outside."""
    finite = pt.switch(pt.isinf(highest), number(0, highest), highest)
    return zero_grad(finite)


def _log_of_positive(v: Variable, like: Variable, depth: int) -> Any:
    """log v, where `v` is an exponential or a positive number."""
    if is_one(v):
        return number(0, like)
    value = constant_value(v)
    if value is not None:
        return number(np.log(value), like) if value > 0 else None
    exponent = exponent_of(v, depth)
    return None if exponent is None else _as(exponent, like)


def _sum_of_known(
    factors: Sequence[Variable], v: Variable, depth: int, signs: Sequence[int]
) -> Any:
    """The exponent of a product of exponentials and positive numbers, some of them inverted."""
    logs = [_log_of_positive(factor, v, depth + 1) for factor in factors]
    if any(log is None for log in logs) or all(isinstance(log, np.ndarray) for log in logs):
        return None
    return _signed_sum(logs, signs)


def _signed_sum(terms: Sequence[Any], signs: Sequence[int]) -> Any:
    signed = [term if sign > 0 else -term for term, sign in zip(terms, signs, strict=False)]
    return sum(signed[1:], start=signed[0])


def _log_of_factors(
    factors: Sequence[Variable], p: Variable, depth: int, signs: Sequence[int]
) -> Any:
    """The log of a product, where the logarithm of at least one factor is known."""
    known = [log_of(factor, depth + 1) for factor in factors]
    if all(log is None for log in known):
        return None
    logs = [
        pt.log(_as(factor, p)) if log is None else _as(log, p)
        for factor, log in zip(factors, known, strict=True)
    ]
    return _signed_sum(logs, signs)


def _log_of_product(p: Variable, depth: int) -> Variable | None:
    return _log_of_factors(_flattened(p, scalar.Mul), p, depth, [1] * _TERMS)


def _log_of_quotient(p: Variable, depth: int) -> Variable | None:
    above, below = p.owner.inputs
    parts = sum_of_powers(below, depth + 1)
    exponent = None if parts is None else exponent_of(above, depth + 1)
    if parts is None or exponent is None:
        return _log_of_factors([above, below], p, depth, [1, -1])
    # The large parts of the two are taken from one another first: what is left is exact.
    return (_as(exponent, p) - _as(parts[0], p)) - pt.log(_as(parts[1], p))


def _log_of_sigmoid(p: Variable, depth: int) -> Variable:
    return -pt.softplus(-_as(p.owner.inputs[0], p))


def _log_of_difference(p: Variable, depth: int) -> Variable | None:
    one, other = p.owner.inputs
    if not is_one(one):
        return None
    log = log_of_complement(other, depth + 1)
    return None if log is None else _as(log, p)


def _log_of_sum(p: Variable, depth: int) -> Variable | None:
    log = log_of_sum(p, depth)
    if log is not None:
        return log
    other = one_plus(p)
    negated = other is not None and elemwise_inputs(other, scalar.Neg)
    log = log_of_complement(negated[0], depth + 1) if negated else None
    return None if log is None else _as(log, p)


def _log_of_power(p: Variable, depth: int) -> Variable | None:
    base, exponent = p.owner.inputs
    log = log_of(base, depth + 1)
    return None if log is None else exponent * _as(log, p)


def _cast(p: Variable, known: Knower, depth: int) -> Variable | None:
    result = known(p.owner.inputs[0], depth + 1)
    return None if result is None else _as(result, p)


def _switched(p: Variable, known: Knower, depth: int) -> Variable | None:
    """One of two branches. Both must be known: the other may be there to keep a logarithm safe."""
    condition, *branches = p.owner.inputs
    results = [known(branch, depth + 1) for branch in branches]
    if any(result is None for result in results):
        return None
    return pt.switch(condition, *[_as(result, p) for result in results])


_LOGARITHMS: Sequence[tuple[tuple[type, ...], Callable[[Variable, int], Variable | None]]] = (
    ((Sigmoid,), _log_of_sigmoid),
    ((scalar.Sub,), _log_of_difference),
    ((scalar.Add,), _log_of_sum),
    ((scalar.Mul,), _log_of_product),
    ((scalar.TrueDiv,), _log_of_quotient),
    ((scalar.Pow,), _log_of_power),
    ((scalar.Cast,), lambda p, depth: _cast(p, log_of, depth)),
    ((scalar.Switch,), lambda p, depth: _switched(p, log_of, depth)),
)


def _moved(node: Apply, known: Knower, depth: int) -> Variable | None:
    """What is `known` of the input of `node`, with entries chosen or arranged as `node` does it."""
    result = known(node.inputs[0], depth + 1)
    if result is None or result.type.ndim != node.inputs[0].type.ndim:
        return None
    return node.op(result, *node.inputs[1:])


def _joined(node: Apply, known: Knower, depth: int) -> Variable | None:
    _, pieces = joined_arrays(node)
    results = [known(piece, depth + 1) for piece in pieces]
    if any(result is None for result in results):
        return None
    like = node.outputs[0]
    axis = node.inputs[: len(node.inputs) - len(pieces)]
    return node.op(*axis, *[_as(result, like) for result in results])


def _flattened(v: Variable, kind: type) -> list[Variable]:
    """The terms of nested sums, or the factors of nested products; none if there are too many."""
    terms, pending = [], [v]
    while pending:
        current = pending.pop(0)
        inputs = elemwise_inputs(current, kind)
        if inputs:
            pending = [*inputs, *pending]
        else:
            terms.append(current)
        if len(terms) + len(pending) > _TERMS:
            return []
    return terms


def _is_real(v: Variable) -> bool:
    return str(getattr(v.type, "dtype", "")).startswith("float")


def _as(v: Any, like: Variable) -> Any:
    """`v` in the dtype of `like`: -z of unsigned integers, say, would be another number."""
    if isinstance(v, np.ndarray) or v.type.dtype == like.type.dtype:
        return v
    return pt.cast(v, like.type.dtype)
