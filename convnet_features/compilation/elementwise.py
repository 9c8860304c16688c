"""NumPy functions for PyTensor's scalar operations.

PyTensor itself falls back to ``np.frompyfunc``, one Python call an element,
where it knows no ufunc; this table leaves no operation of a network there.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as scalar
from pytensor.scalar import math as scalar_math
from pytensor.tensor.basic import get_underlying_scalar_constant_value

__all__ = ["elementwise_function", "function_of", "natural_dtype"]


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _log1mexp(x: Any) -> Any:
    return np.where(x < -0.6931472, np.log1p(-np.exp(x)), np.log(-np.expm1(x)))


def _fill(model: Any, value: Any) -> Any:
    return np.full(np.broadcast(model, value).shape, value)


def _round_half_away_from_zero(x: Any) -> Any:
    return np.sign(x) * np.floor(np.abs(x) + np.asarray(0.5, np.asarray(x).dtype))


def _reciprocal(x: Any) -> Any:
    return np.true_divide(1, x)  # NumPy's own is 0 for integers


def _identity(x: Any) -> Any:
    return x


_WITHOUT_UFUNC: dict[str, Callable[..., Any]] = {
    "Cast": _identity,  # the result's dtype is seen to by whoever calls
    "Clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "Identity": _identity,
    "Log1mexp": _log1mexp,
    "Reciprocal": _reciprocal,
    "RoundHalfAwayFromZero": _round_half_away_from_zero,
    "Second": _fill,
    "Softplus": _softplus,
    "Switch": np.where,
}
_CHAINS = {
    scalar.Add: np.add,
    scalar.Mul: np.multiply,
    scalar.AND: np.bitwise_and,
    scalar.OR: np.bitwise_or,
    scalar.XOR: np.bitwise_xor,
}


def elementwise_function(op: Any, n_inputs: int) -> Callable[..., Any] | None:
    """A function of arrays that applies the scalar operation `op`, or None if there is none."""
    name = type(op).__name__
    if name in _WITHOUT_UFUNC and type(op).__module__ in (scalar.__name__, scalar_math.__name__):
        return _WITHOUT_UFUNC[name]
    ufunc = _CHAINS.get(type(op))
    if ufunc is not None and n_inputs != 2:
        return functools.partial(_chain, ufunc)
    spec = getattr(op, "nfunc_spec", None)
    if spec is None or spec[1] != n_inputs or spec[2] != 1:
        return None
    return _by_name(spec[0])


def function_of(node: Apply) -> tuple[Callable[..., Any] | None, list[Variable]]:
    """What computes an element-wise node (None if nothing does), and the inputs that it takes."""
    op = getattr(node.op, "scalar_op", node.op)
    if isinstance(op, scalar.Pow) and _is_two(node.inputs[1]):
        return np.square, node.inputs[:1]  # a fourth of what powers cost
    return elementwise_function(op, len(node.inputs)), node.inputs


def _is_two(value: Variable) -> bool:
    known = get_underlying_scalar_constant_value(value, elemwise=False, raise_not_constant=False)
    return all(value.type.broadcastable) and known == 2


def _chain(ufunc: np.ufunc, *values: Any) -> Any:
    return functools.reduce(ufunc, values)


def _by_name(name: str) -> Callable[..., Any]:
    if "." not in name:
        return getattr(np, name)
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def natural_dtype(function: Callable[..., Any], dtypes: Sequence[str]) -> np.dtype | None:
    """The dtype that `function` gives for arrays of `dtypes`, or None where that is not known."""
    types = tuple(np.dtype(dtype) for dtype in dtypes)
    if function is _identity:
        return types[0]
    if function is _fill:
        return types[1]
    if isinstance(function, functools.partial):
        function, types = function.args[0], (np.result_type(*types),) * 2
    if not isinstance(function, np.ufunc):
        return None
    return function.resolve_dtypes((*types, *(None,) * function.nout))[-1]
