"""Nodes that compute constants: what exporters do to weights, and to the sizes of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from .budget import Budget
from .reading import MAX_DIMENSIONS, Node

__all__ = ["FOLDED", "SAMPLES", "DependsOnSamplesError", "fold", "with_samples"]


class DependsOnSamplesError(ValueError):
    """What is no constant, because the number of samples has part in it."""


#: What stands for the number of samples, which the model leaves open, in sizes that it computes.
#: It may be moved about, but nothing may be computed of it.
SAMPLES = -(2**31) + 8191

_ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "Add": np.add,
    "Div": np.divide,
    "Mul": np.multiply,
    "Sub": np.subtract,
}
#: What the attributes of `Constant` hold that are no tensors.
_CONSTANTS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}
#: Operators that ONNX's own reference computes, whose results are no larger than their inputs
#: broadcast to each other.
_EVALUATED = {
    "Abs",
    "And",
    "BatchNormalization",
    "Ceil",
    "Clip",
    "Equal",
    "Erf",
    "Exp",
    "Flatten",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Sum",
    "Tanh",
}
#: What they may be told.
_ATTRIBUTES = {
    "alpha",
    "axes",
    "axis",
    "epsilon",
    "fmod",
    "keepdims",
    "max",
    "min",
    "momentum",
    "noop_with_empty_axes",
    "training_mode",
}
#: The operators that `fold` knows.
FOLDED = {
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Expand",
    "Gather",
    "Identity",
    "Range",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
    "Where",
    *_ARITHMETIC,
    *_EVALUATED,
}


def fold(node: Node, inputs: list[np.ndarray], budget: Budget, opset: int) -> np.ndarray:
    """The constant that a node makes of constants.

    Parameters
    ----------
    node : Node
        Its operator is in `FOLDED`.
    inputs : list of ndarray
        Those that are not left out.
    budget : Budget
        Pays for memory, before it is taken.
    opset : int
        The revision of the operators.

    Returns
    -------
    ndarray
        Often a view of an input.

    Raises
    ------
    FileFormatError
        If the budget does not suffice.
    LookupError, OverflowError, TypeError or ValueError
        If the node makes no sense.
    """
    match node.operator:
        case "Constant":
            ((name, value),) = node.attributes.items()
            folded = np.asarray(value, _CONSTANTS.get(name))
            if folded is not value:  # a tensor was counted when it was read
                budget.spend(folded.nbytes, node.label)
        case "ConstantOfShape":
            value = np.asarray(node.attributes.get("value", np.float32(0)))
            if inputs[0].size > MAX_DIMENSIONS:  # the product of many takes long
                raise ValueError(_too_many(inputs[0].size))
            sizes = _whole(inputs[0])
            if min(sizes, default=0) < 0:
                raise ValueError(f"the shape {sizes}")
            budget.spend(math.prod(sizes) * value.itemsize, node.label)
            folded = np.full(sizes, value.item(), value.dtype)
        case "Shape":
            start, end = node.attributes.get("start", 0), node.attributes.get("end")
            folded = np.array(inputs[0].shape[start:end], np.int64)
        case "Reshape":
            own, sizes = inputs[0].shape, _whole(inputs[1])
            if min(sizes, default=0) < -1:  # NumPy takes these for -1
                raise ValueError(f"the shape {sizes}")
            if not node.attributes.get("allowzero", 0):
                sizes = [own[i] if n == 0 else n for i, n in enumerate(sizes)]
            folded = inputs[0].reshape(sizes)
            if not np.may_share_memory(folded, inputs[0]):
                budget.spend(folded.nbytes, node.label)
        case "Transpose":
            folded = inputs[0].transpose(node.attributes.get("perm"))
        case "Unsqueeze":
            folded = np.expand_dims(inputs[0], _axes(node, inputs))
        case "Squeeze":
            given = len(inputs) > 1 or "axes" in node.attributes
            folded = inputs[0].squeeze(_axes(node, inputs) if given else None)
        case "Concat":
            budget.spend(sum(each.nbytes for each in inputs), node.label)
            folded = np.concatenate(inputs, int(node.attributes["axis"]))
        case "Gather":
            folded = _gathered(node, inputs, budget)
        case "Slice":
            folded = _slice(node, inputs)
        case "Cast":
            folded = _cast(node, inputs[0], budget)
        case "Identity":
            folded = inputs[0]
        case "Where":
            shape = np.broadcast_shapes(*(each.shape for each in inputs))
            budget.spend(math.prod(shape) * inputs[1].itemsize, node.label)
            folded = np.where(*inputs)
        case "Expand":
            if inputs[1].size > MAX_DIMENSIONS:
                raise ValueError(_too_many(inputs[1].size))
            shape = np.broadcast_shapes(inputs[0].shape, tuple(_whole(inputs[1])))
            budget.spend(math.prod(shape) * inputs[0].itemsize, node.label)
            folded = np.broadcast_to(inputs[0], shape)
        case "Range":
            _check_samples(*inputs)
            start, stop, step = (each.item() for each in inputs)
            if not step:
                raise ValueError("a step of 0")
            count = max(0, math.ceil((stop - start) / step))
            budget.spend(count * inputs[0].itemsize, node.label)
            folded = np.asarray(start + np.arange(count) * step, inputs[0].dtype)
        case operator if operator in _EVALUATED:
            folded = _evaluated(node, inputs, budget, opset)
        case _:
            folded = _computed(node, inputs, budget)
    if folded.ndim > MAX_DIMENSIONS:
        raise ValueError(_too_many(folded.ndim))
    return folded


def with_samples(values: np.ndarray, count: int) -> np.ndarray:
    """A constant, with a number of samples where its place is."""
    return np.where(values == SAMPLES, count, values) if _holds_samples(values) else values


def _evaluated(node: Node, inputs: list[np.ndarray], budget: Budget, opset: int) -> np.ndarray:
    """What ONNX's reference makes of a node."""
    from onnx.reference import ReferenceEvaluator

    if node.operator == "Equal":
        _check_comparison(*inputs)
    else:
        _check_samples(*inputs)
    if node.operator.startswith("Reduce") or node.operator in ("BatchNormalization", "Flatten"):
        largest = inputs[0].size
    else:
        largest = math.prod(np.broadcast_shapes(*(each.shape for each in inputs)))
    # It computes in float64 here and there.
    budget.spend(3 * 8 * largest, node.label)
    if node.operator == "Softmax" and opset < 13:  # of all axes from the one on
        rank, axis = inputs[0].ndim, int(node.attributes.get("axis", 1))
        if axis % max(1, rank) != rank - 1:
            flat = inputs[0].reshape(math.prod(inputs[0].shape[: axis % rank]), -1)
            shares = np.exp(flat - flat.max(axis=1, keepdims=True))
            return np.asarray((shares / shares.sum(axis=1, keepdims=True)).reshape(inputs[0].shape))
    names = [f"x{place}" if name else "" for place, name in enumerate(node.inputs)]
    given = [name for name in names if name]
    attributes = {key: node.attributes[key] for key in _ATTRIBUTES & node.attributes.keys()}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(node.operator, names, ["y"], **attributes)],
        "node",
        [onnx.ValueInfoProto(name=name) for name in given],
        [onnx.ValueInfoProto(name="y")],
    )
    domain = onnx.helper.make_opsetid("", opset)
    model = onnx.helper.make_model(graph, opset_imports=[domain])
    try:
        feed = dict(zip(given, inputs, strict=True))
        results: Any = ReferenceEvaluator(model).run(None, feed)
        return np.asarray(results[0])
    except Exception as error:  # it is strict about nothing, and fails in every way
        raise ValueError(f"{error!r:.300}") from error


def _too_many(dimensions: int) -> str:
    return f"a constant of {dimensions} dimensions; at most {MAX_DIMENSIONS} are read"


def _whole(values: Any) -> list[int]:
    """Sizes, axes or bounds, none of them the number of samples."""
    array = np.asarray(values).ravel()
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"integers of {array.dtype}")
    _check_samples(array)
    return [int(value) for value in array]


def _axes(node: Node, inputs: list[np.ndarray]) -> tuple[int, ...]:
    """Axes, which became an input in later revisions."""
    return tuple(_whole(inputs[1] if len(inputs) > 1 else node.attributes["axes"]))


def _gathered(node: Node, inputs: list[np.ndarray], budget: Budget) -> np.ndarray:
    values, places = inputs
    _check_samples(places)
    axis = int(node.attributes.get("axis", 0))
    budget.spend(places.size * (values.nbytes // max(1, values.shape[axis])), node.label)
    return np.asarray(np.take(values, places, axis))


def _slice(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    """A view; bounds became inputs in later revisions."""
    values, *given = inputs
    if not given:
        given = [
            node.attributes[name] for name in ("starts", "ends", "axes") if name in node.attributes
        ]
    starts, ends, *further = (_whole(each) for each in given)
    if node.inputs[3:4] == [""]:  # only the steps are given
        further.insert(0, list(range(len(starts))))
    axes = further[0] if further else list(range(len(starts)))
    steps = further[1] if len(further) > 1 else [1] * len(starts)
    index = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = values.shape[axis]
        first, last, step = slice(start, end, step).indices(size)
        if step < 0 and end < -size:
            last = -1
        index[axis] = slice(first, last if last >= 0 else None, step)
    return values[tuple(index)]


def _cast(node: Node, values: np.ndarray, budget: Budget) -> np.ndarray:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    if dtype.kind not in "biuf" or values.dtype.kind in "OSU":
        raise ValueError(f"{values.dtype} as {dtype}")
    if _holds_samples(values) and not (dtype.kind == "i" and dtype.itemsize >= 4):
        raise DependsOnSamplesError(f"the number of samples as {dtype}")
    budget.spend(values.size * dtype.itemsize, node.label)
    return values.astype(dtype)


def _computed(node: Node, inputs: list[np.ndarray], budget: Budget) -> np.ndarray:
    a, b = inputs
    if a.dtype != b.dtype or a.dtype.kind not in "iuf":
        raise TypeError(f"{node.operator} of {a.dtype} and {b.dtype}")
    _check_samples(a, b)
    budget.spend(math.prod(np.broadcast_shapes(a.shape, b.shape)) * a.itemsize, node.label)
    if node.operator == "Div" and a.dtype.kind != "f":
        if not b.all():
            raise ValueError("a division by 0")
        quotient = np.abs(a) // np.abs(b)
        return np.asarray(quotient * np.sign(a) * np.sign(b), a.dtype)
    return np.asarray(_ARITHMETIC[node.operator](a, b))


def _check_samples(*operands: np.ndarray) -> None:
    if any(_holds_samples(each) for each in operands):
        raise DependsOnSamplesError("what it computes depends on the number of samples")


def _check_comparison(a: np.ndarray, b: np.ndarray) -> None:
    """The number of samples is like no size below 0, which stands for one to be found."""
    if not (_holds_samples(a) or _holds_samples(b)):
        return
    a, b = np.broadcast_arrays(a, b)
    unknown = (
        ((a == SAMPLES) & (b >= 0)) | ((b == SAMPLES) & (a >= 0)) | ((a == b) & (a == SAMPLES))
    )
    if unknown.any():
        raise DependsOnSamplesError("what it computes depends on the number of samples")


def _holds_samples(values: np.ndarray) -> bool:
    return values.dtype.kind == "i" and values.itemsize >= 4 and bool((values == SAMPLES).any())
