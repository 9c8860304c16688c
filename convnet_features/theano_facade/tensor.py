"""Names of ``theano.tensor`` that PyTensor lacks or uses differently."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.basic import Variable as PyTensorVariable
from pytensor.raise_op import Assert

from .config import config
from .scope import mark_type, within_scope

__all__ = [
    "TensorType",
    "TensorVariable",
    "Variable",
    "addbroadcast",
    "argtopk",
    "asarray",
    "batched_dot",
    "chi2sf",
    "clip",
    "cumsum",
    "dot",
    "flatten",
    "matrix_dot",
    "max_and_argmax",
    "patternbroadcast",
    "solve_lower_triangular",
    "solve_upper_triangular",
    "stack",
    "tensor",
    "to_one_hot",
    "topk",
    "topk_and_argtopk",
    "unbroadcast",
    "xlogx",
    "xlogy0",
]


class _Alias(type):
    """The class of a stand-in for a class of PyTensor's, in ``isinstance`` and in calls.

    Its subclasses say what an instance is, and what a call makes.
    """

    def __instancecheck__(cls, value: Any) -> bool:
        return cls._matches(value)  # type: ignore[attr-defined]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._make(*args, **kwargs)  # type: ignore[attr-defined]


class Variable(metaclass=_Alias):
    """Any variable, as ``theano.Variable(type, owner=None, index=None, name=None)``."""

    @staticmethod
    def _matches(value: Any) -> bool:
        return isinstance(value, PyTensorVariable)

    @staticmethod
    def _make(
        type: Any, owner: Any = None, index: int | None = None, name: str | None = None
    ) -> Any:
        return PyTensorVariable(type, owner, index, name=name)


class TensorVariable(metaclass=_Alias):
    """A tensor that is given or computed: neither a shared variable nor a constant, in Theano."""

    @staticmethod
    def _matches(value: Any) -> bool:
        return isinstance(value, pt.TensorVariable) and not isinstance(
            value, SharedVariable | Constant
        )

    @staticmethod
    def _make(
        type: Any, owner: Any = None, index: int | None = None, name: str | None = None
    ) -> Any:
        return pt.TensorVariable(type, owner, index, name=name)


class TensorType(metaclass=_Alias):
    """A type of tensors, as ``theano.tensor.TensorType(dtype, broadcastable)``.

    Gradients are dense: ``sparse_grad=True`` changes how long they take, and not their values.
    """

    @staticmethod
    def _matches(value: Any) -> bool:
        return isinstance(value, pt.TensorType)

    @staticmethod
    def _make(
        dtype: str,
        broadcastable: Sequence[bool],
        name: str | None = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> Any:
        return mark_type(pt.TensorType(dtype, _static_shape(broadcastable), name=name, **kwargs))


def _static_shape(broadcastable: Sequence[bool]) -> tuple[int | None, ...]:
    return tuple(1 if each else None for each in broadcastable)


def tensor(
    dtype: str, broadcastable: Sequence[bool], name: str | None = None, **kwargs: Any
) -> PyTensorVariable:
    """A variable of any dtype and number of dimensions, as ``theano.tensor.tensor``."""
    return TensorType._make(dtype, broadcastable, **kwargs)(name)


@within_scope
def clip(x: Any, min: Any, max: Any) -> PyTensorVariable:
    """`x`, no less than `min` and no more than `max`.

    PyTensor's own operation is one Python call an element without a C compiler.
    """
    return pt.minimum(pt.maximum(x, min), max)


@within_scope
def dot(a: Any, b: Any) -> PyTensorVariable:
    """The product of matrices or vectors; booleans count, as in Theano."""
    return pt.dot(*map(_counted, (a, b)))


@within_scope
def cumsum(x: Any, axis: int | None = None) -> PyTensorVariable:
    """Sums of the entries so far along an axis; booleans count, as in Theano."""
    return pt.cumsum(_counted(x), axis)


def _counted(x: Any) -> PyTensorVariable:
    x = pt.as_tensor_variable(x)
    return pt.cast(x, "int64") if x.dtype == "bool" else x


@within_scope
def flatten(x: Any, ndim: int | None = None, outdim: int = 1) -> PyTensorVariable:
    """`x` with all but its first ``outdim - 1`` axes made one; `ndim` is its later name."""
    return pt.flatten(x, outdim if ndim is None else ndim)


@within_scope
def stack(*tensors: Any, axis: int = 0) -> PyTensorVariable:
    """Tensors on a new axis: ``stack(a, b)`` as in Theano 0.7, or ``stack([a, b], axis=1)``."""
    if tensors and isinstance(tensors[0], list | tuple):
        if len(tensors) == 2:
            axis = tensors[1]
        return pt.stack(tensors[0], axis=axis)
    return pt.stack(tensors, axis=axis)


@within_scope
def max_and_argmax(x: Any, axis: Any = None, keepdims: bool = False) -> list[PyTensorVariable]:
    """The maximum along an axis, and where it is."""
    return [pt.max(x, axis=axis, keepdims=keepdims), pt.argmax(x, axis=axis, keepdims=keepdims)]


@within_scope
def addbroadcast(x: Any, *axes: int) -> PyTensorVariable:
    """`x` with axes that are, and remain, of length 1, so that they broadcast."""
    return pt.specify_broadcastable(x, *axes)


@within_scope
def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> PyTensorVariable:
    """`x` with the axes of length 1 that `broadcastable` says are so."""
    axes = [axis for axis, each in enumerate(broadcastable) if each]
    return pt.specify_broadcastable(x, *axes) if axes else pt.as_tensor_variable(x)


@within_scope
def unbroadcast(x: Any, *axes: int) -> PyTensorVariable:
    """`x`: PyTensor needs no axis to be declared as not of length 1."""
    return pt.as_tensor_variable(x)


@within_scope
def to_one_hot(y: Any, nb_class: Any, dtype: str | None = None) -> PyTensorVariable:
    """A matrix with a one in column y[i] of row i, and zeros elsewhere."""
    y = pt.as_tensor_variable(y)
    return pt.eq(y.dimshuffle(0, "x"), pt.arange(nb_class)).astype(dtype or config.floatX)


@within_scope
def batched_dot(a: Any, b: Any) -> PyTensorVariable:
    """The product of each pair of matrices (or vectors) along the first axis."""
    a, b = pt.as_tensor_variable(a), pt.as_tensor_variable(b)
    left = a if a.ndim == 3 else a.dimshuffle(0, "x", 1)
    right = b if b.ndim == 3 else b.dimshuffle(0, 1, "x")
    product = pt.matmul(left, right)
    if a.ndim == 2:
        product = product[:, 0]
    return product[..., 0] if b.ndim == 2 else product


@within_scope
def matrix_dot(*matrices: Any) -> PyTensorVariable:
    """The product of matrices, from left to right."""
    return functools.reduce(pt.dot, matrices)


def xlogx(x: Any) -> PyTensorVariable:
    """``x * log(x)``, which is 0 where `x` is, as is its gradient there."""
    return xlogy0(x, x)


@within_scope
def xlogy0(x: Any, y: Any) -> PyTensorVariable:
    """``x * log(y)``, which is 0 where `x` is, whatever `y` is."""
    x, y = pt.as_tensor_variable(x), pt.as_tensor_variable(y)
    return x * pt.log(pt.switch(pt.eq(x, 0), 1, y))


@within_scope
def chi2sf(x: Any, k: Any) -> PyTensorVariable:
    """The probability that a chi-squared number of `k` degrees of freedom exceeds `x`."""
    x, k = pt.as_tensor_variable(x), pt.as_tensor_variable(k)
    return pt.gammaincc(k / 2, x / 2)


def asarray(a: Any, dtype: Any, order: Any = None) -> np.ndarray:
    """``numpy.asarray(a, dtype, order)``: what ``theano._asarray`` is needed for no longer."""
    return np.asarray(a, dtype=config.floatX if dtype == "floatX" else dtype, order=order)


@within_scope
def solve_lower_triangular(a: Any, b: Any) -> PyTensorVariable:
    """The solution of ``a x = b``, of which only the lower triangle of `a` is read."""
    return pt.linalg.solve_triangular(a, b, lower=True)


@within_scope
def solve_upper_triangular(a: Any, b: Any) -> PyTensorVariable:
    """The solution of ``a x = b``, of which only the upper triangle of `a` is read."""
    return pt.linalg.solve_triangular(a, b, lower=False)


@within_scope
def topk_and_argtopk(
    x: Any, kth: Any, axis: int | None = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> list[PyTensorVariable]:
    """[the `kth` largest entries along an axis, where they are]; the smallest if `kth` < 0.

    They come in ascending order. An axis of None means the entries of `x` in one row. A `kth` of 0,
    or beyond the length of the axis, is an error when it is computed.
    """
    x = pt.as_tensor_variable(x)
    if axis is None:
        x, axis = x.flatten(), 0
    order = pt.argsort(x, axis=axis)
    places = [slice(None)] * x.ndim
    kth, length = pt.as_tensor_variable(kth), x.shape[axis]
    check = Assert("topk: kth must not be 0, nor exceed the length of the axis.")
    kth = check(kth, pt.neq(kth, 0), pt.le(abs(kth), length))
    places[axis] = slice(pt.switch(kth > 0, length - kth, 0), pt.switch(kth > 0, length, -kth))
    chosen = order[tuple(places)]
    return [pt.take_along_axis(x, chosen, axis=axis), chosen.astype(idx_dtype)]


def topk(x: Any, kth: Any, axis: int | None = -1, sorted: bool = True) -> PyTensorVariable:
    """The values of `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis)[0]


def argtopk(
    x: Any, kth: Any, axis: int | None = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> PyTensorVariable:
    """The places of `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis, idx_dtype=idx_dtype)[1]
