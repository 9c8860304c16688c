"""Operations about shapes, whose integers JAX must know while it traces.

PyTensor computes sizes like any other numbers. While a function is traced, the
sizes of its arguments are known; so integers that depend on nothing else are
computed there and then, with NumPy, and what takes them (a reshape, a slice)
gets plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from pytensor.graph.basic import Apply
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import IncSubtensor, Subtensor

__all__ = ["known_now", "translation"]

Translation = Callable[..., Any]
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": jnp.sum,
    "multiply": jnp.prod,
    "maximum": jnp.max,
    "minimum": jnp.min,
    "logical_and": jnp.all,
    "logical_or": jnp.any,
}


def known_now(node: Apply, inputs: list[Any]) -> bool:
    """Whether `node` computes a few integers from numbers that are known while tracing."""
    return not any(isinstance(value, Tracer) for value in inputs) and all(
        getattr(variable.type, "dtype", "").startswith(("int", "uint", "bool"))
        and getattr(variable.type, "ndim", 0) <= 1
        for variable in node.outputs
    )


def translation(node: Apply) -> Translation | None:
    """A JAX function for an operation about shapes, or None if `node` is none."""
    match node.op:
        case Shape():
            return lambda x: np.array(x.shape, dtype=np.int64)
        case Shape_i():
            return lambda x: np.int64(x.shape[node.op.i])
        case Reshape():
            return lambda x, shape: jnp.reshape(x, _integers(shape))
        case SpecifyShape():
            return lambda x, *shape: x
        case Alloc():
            return lambda value, *shape: jnp.broadcast_to(value, _integers(shape))
        case DimShuffle():
            return _dimshuffle(node)
        case Subtensor():
            return lambda x, *bounds: x[_index(node, bounds)]
        case IncSubtensor():
            return _written(node)
        case Join(axis=int(fixed)):  # a property since PyTensor 3.1, an input before
            return lambda *parts: jnp.concatenate(parts, axis=fixed)
        case Join():
            return lambda axis, *parts: jnp.concatenate(parts, axis=int(axis))
        case CAReduce():
            return _reduction(node)
        case Dot():
            return jnp.dot
        case Blockwise(core_op=Dot()):
            return jnp.matmul
    return None


def _integers(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _dimshuffle(node: Apply) -> Translation:
    order = node.op.new_order
    kept = [axis for axis in order if axis != "x"]
    dropped = [axis for axis in range(node.inputs[0].type.ndim) if axis not in kept]
    index = tuple(None if axis == "x" else slice(None) for axis in order) + (0,) * len(dropped)
    return lambda x: jnp.transpose(x, kept + dropped)[index]


def _index(node: Apply, bounds: Any) -> tuple[Any, ...]:
    """What `x` is indexed with; `bounds` are the integers that `node` takes behind x."""

    def bound(position: Any) -> int | None:
        return None if position is None else int(bounds[position])

    return tuple(
        slice(bound(entry.start), bound(entry.stop), bound(entry.step))
        if isinstance(entry, slice)
        else bound(entry)
        for entry in node.op.idx_list
    )


def _written(node: Apply) -> Translation:
    def written(x: Any, y: Any, *bounds: Any) -> Any:
        place = jnp.asarray(x).at[_index(node, bounds)]
        return place.set(y) if node.op.set_instead_of_inc else place.add(y)

    return written


def _reduction(node: Apply) -> Translation | None:
    reduce = _REDUCTIONS.get(getattr(getattr(node.op, "ufunc", None), "__name__", ""))
    if reduce is None:
        return None
    # Accumulated in the type of the result: PyTensor would sum float32 in float64.
    return lambda x: reduce(x, axis=node.op.axis)
