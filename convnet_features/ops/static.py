"""Integers that a graph computes and that are known before it runs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.scalar.basic import Add, Cast, IntDiv, Mul, Neg, Sub
from pytensor.tensor.basic import MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.subtensor import Subtensor
from pytensor.tensor.type import integer_dtypes

__all__ = ["static_int", "static_slice", "static_vector"]

_ARITHMETIC: dict[type, Callable[..., int]] = {
    Sub: operator.sub,
    IntDiv: operator.floordiv,
    Neg: operator.neg,
    Cast: lambda value: value,
    Add: lambda *values: sum(values),
    Mul: lambda *values: math.prod(values),
}


def static_int(value: Any) -> int | None:
    """The integer that `value` stands for, or None where it is known at run time only.

    Understands constants, sizes of tensors of known shape, and arithmetic on
    them: what Lasagne writes to pad, crop and reshape.
    """
    if not isinstance(value, Variable):
        return int(value)
    if getattr(value.type, "dtype", None) not in integer_dtypes:
        return None
    if isinstance(value, Constant):
        return int(value.data) if np.ndim(value.data) == 0 else None
    result = _computed(value)
    # What does not fit the dtype wraps around at run time.
    return result if result is not None and _fits(result, value.type.dtype) else None


def _fits(number: int, dtype: str) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= number <= limits.max


def _computed(value: Variable) -> int | None:
    node = value.owner
    if node is None:
        return None
    match node.op:
        case Shape_i():
            return node.inputs[0].type.shape[node.op.i]
        case Subtensor():
            return _element(node)
        case ScalarFromTensor() | TensorFromScalar() | DimShuffle():
            return static_int(node.inputs[0])
        case Elemwise():
            return _arithmetic(node.op.scalar_op, node.inputs)
    return _arithmetic(node.op, node.inputs)


def _element(node: Any) -> int | None:
    """vector[constant], of a shape or of a vector put together from scalars."""
    vector, indices = node.inputs[0], node.op.idx_list
    if vector.type.ndim != 1 or len(indices) != 1 or isinstance(indices[0], slice):
        return None
    position = static_int(node.inputs[1]) if len(node.inputs) > 1 else None
    if position is None or vector.owner is None:
        return None
    vector = _whole(vector, position)
    if vector.owner is None:
        return None
    if isinstance(vector.owner.op, Shape):
        return vector.owner.inputs[0].type.shape[position]
    if isinstance(vector.owner.op, MakeVector):
        return static_int(vector.owner.inputs[position])
    return None


def _whole(vector: Variable, position: int) -> Variable:
    """What vector[:n] was cut from, if the position lies in front of a known n."""
    node = vector.owner
    if not isinstance(node.op, Subtensor) or len(node.op.idx_list) != 1 or len(node.inputs) != 2:
        return vector
    (cut,) = node.op.idx_list
    if not isinstance(cut, slice) or cut.start is not None or cut.step is not None:
        return vector
    stop = static_int(node.inputs[1])
    return node.inputs[0] if stop is not None and 0 <= position < stop else vector


def _arithmetic(scalar_op: Any, inputs: list[Variable]) -> int | None:
    compute = _ARITHMETIC.get(type(scalar_op))
    if compute is None:
        return None
    values = [static_int(value) for value in inputs]
    if None in values or (isinstance(scalar_op, IntDiv) and values[1] == 0):
        return None
    return compute(*values)


def static_slice(start: Any, stop: Any, size: int) -> tuple[int, int] | None:
    """[start, stop) of a slice with unit step of an axis of `size`, or None where unknown."""
    bounds = []
    for bound, default in ((start, 0), (stop, size)):
        value = default if bound is None else static_int(bound)
        if value is None:
            return None
        bounds.append(min(max(value + size if value < 0 else value, 0), size))
    return bounds[0], max(bounds)


def static_vector(vector: Variable, length: int) -> tuple[int | None, ...]:
    """The elements of an integer vector, None where unknown."""
    if isinstance(vector, Constant):
        return tuple(int(value) for value in vector.data)
    node = vector.owner
    if node is not None and isinstance(node.op, MakeVector):
        return tuple(static_int(value) for value in node.inputs)
    if node is not None and isinstance(node.op, Shape):
        return node.inputs[0].type.shape
    return (None,) * length
