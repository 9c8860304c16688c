"""From an ONNX node to Lasagne layers: one function an operator.

Each takes the `Reader` and the node and gives the draft of the layer that
computes the node's first result. What stands in front may be changed instead
of a layer being added: a bias, a normalisation or a nonlinearity joins the
convolution or dense layer whose result nothing else uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..exceptions import NetworkError
from ..kernels.contract import Pool2DSpec
from ..layers import BatchNormLayer, Conv2DLayer
from .drafts import Draft, check_activations, finite_weights
from .nonlinearities import nonlinearity_of
from .reading import Node

__all__ = ["OPERATORS", "supported_operators"]

Operator = Callable[[Any, Node], Draft]
OPERATORS: dict[str, Operator] = {}


def _reads(*operators: str) -> Callable[[Operator], Operator]:
    def register(function: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(operators, function))
        return function

    return register


def supported_operators() -> list[str]:
    """The names of the operators that can be read."""
    return sorted(OPERATORS)


def _unsupported(node: Node, what: str) -> NetworkError:
    return NetworkError(f"from_onnx: {node.label}: {what:.300} cannot be read.")


def _integers(node: Node, values: Any, what: str) -> list[int]:
    """An attribute or a constant as whole numbers of Python's."""
    array = np.asarray(values).ravel()
    if array.size and array.dtype.kind not in "iu":
        raise _unsupported(node, f"{what} of {array.dtype}")
    return array.tolist()


def _axis(
    node: Node, axis: int, rank: int, text: str = "the axis {} of a value of {} dimensions"
) -> int:
    """An axis (or another place) counted from the front, where there are `rank` of them."""
    if not -rank <= axis < rank:
        raise _unsupported(node, text.format(axis, rank))
    return axis % rank


def _axes(node: Node, axes: Any, rank: int) -> list[int]:
    """The same for several, none of them twice."""
    found = [_axis(node, axis, rank) for axis in _integers(node, axes, "axes")]
    if len(set(found)) < len(found):
        raise _unsupported(node, f"the axes {found}, one of them twice,")
    return found


def _given_axes(reader: Any, node: Node) -> Any:
    """Axes, which became an input in later revisions; empty where none are given."""
    given = reader.optional_constant(node, 1)
    return node.attributes.get("axes", ()) if given is None else given


def _number(node: Node, name: str, default: float) -> float:
    """An attribute that is a finite number."""
    value = float(node.attributes.get(name, default))
    if not np.isfinite(np.float32(value)):
        raise _unsupported(node, f"{name}={value}")
    return value


@_reads("Conv")
def _convolution(reader: Any, node: Node) -> Draft:
    from lasagne import nonlinearities

    x, weights = reader.draft(node, 0), reader.constant(node, 1)
    sizes, extents = x.shape[1:], weights.shape[2:]
    if len(sizes) != len(extents) or len(sizes) not in (1, 2):
        raise _unsupported(node, f"a convolution of {x.shape} with {weights.shape}")
    dilation = _steps(node, "dilations", len(sizes))
    groups = _groups(node, x, weights)
    is_ordinary = groups == 1 and max(dilation) == 1
    if len(sizes) == 1 and not is_ordinary:
        raise _unsupported(node, f"group={groups}, dilations={list(dilation)} of one dimension")
    if tuple(node.attributes.get("kernel_shape", extents)) != tuple(extents):
        raise _unsupported(node, f"kernel_shape={node.attributes['kernel_shape']} of {extents}")
    strides = _steps(node, "strides", len(sizes))
    reach = [(taps - 1) * apart + 1 for taps, apart in zip(extents, dilation, strict=True)]
    pads = _pads(node, sizes, reach, strides)
    padded = _padded_sizes(node, sizes, pads)
    strides = _within(strides, padded)
    further: dict[str, Any] = {}
    if not is_ordinary:
        further = {"num_groups": groups, "dilation": dilation}
    if any(before != after for before, after in pads):
        x, pads = _padded(reader, node, x, pads, 0.0), [(0, 0)] * len(pads)
    return reader.board.add(
        node.outputs[0],
        _convolution_class(len(sizes), is_ordinary),
        x,
        # Theano convolves, ONNX correlates.
        {
            "W": np.flip(weights, axis=tuple(range(2, weights.ndim))),
            "b": reader.optional_constant(node, 2),
        },
        num_filters=weights.shape[0],
        filter_size=tuple(extents),
        stride=strides,
        pad=tuple(before for before, _ in pads),
        nonlinearity=nonlinearities.identity,
        **further,
    )


def _convolution_class(n_dimensions: int, is_ordinary: bool) -> type:
    from lasagne import layers

    if n_dimensions == 1:
        return layers.Conv1DLayer
    return layers.Conv2DLayer if is_ordinary else Conv2DLayer


def _groups(node: Node, x: Draft, weights: np.ndarray) -> int:
    """The groups of channels and filters, which the weights must fit."""
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or len(weights) % groups or x.shape[0] != groups * weights.shape[1]:
        raise _unsupported(
            node, f"group={groups} of {x.shape[0]} channels with weights of {weights.shape}"
        )
    return groups


def _padded_sizes(
    node: Node, sizes: Sequence[int], pads: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    padded = tuple(size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    check_activations(padded, node.outputs[0])
    return padded


def _within(strides: Sequence[int], padded: Sequence[int]) -> tuple[int, ...]:
    """Strides without what leads beyond the image: the one position there is, is the same."""
    return tuple(min(step, size) for step, size in zip(strides, padded, strict=True))


def _check_dilations(node: Node) -> None:
    dilations = _integers(node, node.attributes.get("dilations", ()), "dilations")
    if any(step != 1 for step in dilations):
        raise _unsupported(node, f"dilations={dilations}")


def _steps(node: Node, attribute: str, count: int) -> tuple[int, ...]:
    """An attribute with one number an axis, each at least 1."""
    values = tuple(_integers(node, node.attributes.get(attribute, (1,) * count), attribute))
    if len(values) != count or min(values) < 1:
        raise _unsupported(node, f"{attribute}={list(values)}")
    return values


def _pads(
    node: Node, sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Pixels added before and behind each axis."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for size, extent, step in zip(sizes, extents, strides, strict=True):
            total = max(0, (-(-size // step) - 1) * step + extent - size)
            less, more = total // 2, total - total // 2
            pads.append((less, more) if automatic == "SAME_UPPER" else (more, less))
        return pads
    count = len(sizes)
    given = _integers(node, node.attributes.get("pads", (0,) * (2 * count)), "pads")
    if automatic == "VALID":
        given = [0] * (2 * count)
    if automatic not in ("NOTSET", "VALID") or len(given) != 2 * count or min(given) < 0:
        raise _unsupported(node, f"auto_pad={automatic!r}, pads={given}")
    return list(zip(given[:count], given[count:], strict=True))


def _padded(
    reader: Any, node: Node, x: Draft, pads: Sequence[tuple[int, int]], value: float
) -> Draft:
    from lasagne.layers import PadLayer

    return reader.board.add(f"{node.outputs[0]}_padded", PadLayer, x, width=list(pads), val=value)


@_reads("MaxPool", "AveragePool")
def _pooling(reader: Any, node: Node) -> Draft:
    from lasagne.layers import MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer

    x = reader.draft(node, 0)
    sizes = x.shape[1:]
    flat = len(sizes) == 1 and node.operator == "MaxPool"
    if not flat and len(sizes) != 2:
        raise _unsupported(node, f"pooling of {len(sizes)} dimensions")
    if len([name for name in node.outputs if name]) > 1:
        raise _unsupported(node, "the positions of the maxima")
    _check_dilations(node)
    window, strides = (_steps(node, name, len(sizes)) for name in ("kernel_shape", "strides"))
    pads = _pads(node, sizes, window, strides)
    if any(max(pad) >= extent for pad, extent in zip(pads, window, strict=True)):
        raise _unsupported(node, f"pads={pads}, not smaller than the window {window},")
    padded = _padded_sizes(node, sizes, pads)
    strides = _within(strides, padded)
    # Rounded up, a last window may reach beyond the padding, but must begin in front of its end.
    if any(w >= size + s for w, size, s in zip(window, padded, strides, strict=True)):
        raise _unsupported(node, f"the window {window} on {padded} pixels")
    # PyTorch says that padding counts where there is none, too.
    counted = bool(node.attributes.get("count_include_pad", 0)) and any(map(any, pads))
    params: dict[str, Any] = {"pool_size": window, "stride": strides}
    layer_class, fill = MaxPool1DLayer if flat else MaxPool2DLayer, -math.inf
    if node.operator == "AveragePool":
        layer_class, fill = Pool2DLayer, 0.0
        params["mode"] = "average_inc_pad" if counted else "average_exc_pad"
    counts = _pooled_sizes(node, sizes, window, strides, pads)
    reached = _reached(sizes, window, strides, pads, counts)
    borders = _borders(sizes, window, strides, counts, reached)
    overhangs = any(after > pad[1] for (_, after), pad in zip(reached, pads, strict=True))
    if counted and (overhangs or not borders.get("ignore_border", True)):
        # What such windows are divided by is a matter of dispute between runtimes.
        if overhangs:
            raise _unsupported(node, "ceil_mode=1 with count_include_pad=1")
        borders = {}
    if not borders:
        if node.operator == "AveragePool" and not counted:
            raise _unsupported(node, f"pads={pads} left out of an average")
        x, borders = _padded(reader, node, x, reached, fill), {"ignore_border": True}
    return reader.board.add(node.outputs[0], layer_class, x, **params, **borders)


def _pooled_sizes(
    node: Node,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    round_up = bool(node.attributes.get("ceil_mode", 0))
    counts = []
    for size, extent, step, (before, after) in zip(sizes, window, strides, pads, strict=True):
        room = size + before + after - extent
        count = (-(-room // step) if round_up else room // step) + 1
        if round_up and (count - 1) * step >= size + before:
            count -= 1  # a window must begin in the image, or in front of it
        counts.append(max(0, count))
    check_activations(counts, node.outputs[0])
    return tuple(counts)


def _reached(
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    counts: Sequence[int],
) -> list[tuple[int, int]]:
    """How far windows reach beyond the image, before and behind it."""
    return [
        (before, max(0, (count - 1) * step + extent - size - before))
        for size, extent, step, (before, _), count in zip(
            sizes, window, strides, pads, counts, strict=True
        )
    ]


def _borders(
    sizes: Sequence[int],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    counts: tuple[int, ...],
    reached: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Arguments of a pooling layer with these windows; none where x must be padded first."""
    padding = tuple(before for before, _ in reached)
    choices = [(padding, True)] + ([] if any(padding) else [(padding, False)])
    for pad, ignore_border in choices:
        fits = not ignore_border or all(after <= before for before, after in reached)
        for size, extent, step, edge, count in zip(
            sizes, window, strides, pad, counts, strict=True
        ):
            spec = Pool2DSpec((extent, 1), (step, 1), (edge, 0), ignore_border=ignore_border)
            fits = fits and spec.output_shape((1, 1, size, 1))[2] == count
        if fits:
            return {"pad": pad, "ignore_border": ignore_border}
    return {}


@_reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pooling(reader: Any, node: Node) -> Draft:
    x = reader.draft(node, 0)
    function = "mean" if node.operator == "GlobalAveragePool" else "max"
    pooled = _pooled_globally(reader, x, function, f"{node.outputs[0]}_pooled")
    return _reshaped(reader, node, pooled, (x.shape[0], *[1] * len(x.shape[1:])))


def _pooled_globally(reader: Any, x: Draft, function: str, name: str) -> Draft:
    from lasagne.layers import GlobalPoolLayer
    from theano import tensor

    return reader.board.add(name, GlobalPoolLayer, x, pool_function=getattr(tensor, function))


@_reads("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
def _reduction(reader: Any, node: Node) -> Draft:
    from lasagne.layers import FeaturePoolLayer
    from theano import tensor

    x = reader.draft(node, 0)
    rank = 1 + len(x.shape)
    axes = sorted(_axes(node, _given_axes(reader, node), rank))
    keep = bool(node.attributes.get("keepdims", 1))
    function = node.operator.removeprefix("Reduce").lower()
    if not axes or 0 in axes:
        raise _unsupported(node, f"a reduction of the axes {axes}")
    if axes == list(range(2, rank)):
        if not keep:
            return _pooled_globally(reader, x, function, node.outputs[0])
        pooled = _pooled_globally(reader, x, function, f"{node.outputs[0]}_pooled")
    elif len(axes) == 1:
        pooled = reader.board.add(
            f"{node.outputs[0]}_pooled",
            FeaturePoolLayer,
            x,
            pool_size=x.shape[axes[0] - 1],
            axis=axes[0],
            pool_function=getattr(tensor, function),
        )
    else:
        raise _unsupported(node, f"a reduction of the axes {axes}")
    sizes = [1 if axis + 1 in axes else size for axis, size in enumerate(x.shape)]
    kept = [size for axis, size in enumerate(sizes) if keep or axis + 1 not in axes]
    return _reshaped(reader, node, pooled, kept)


def _reshaped(reader: Any, node: Node, x: Draft, shape: Sequence[int]) -> Draft:
    from lasagne.layers import FlattenLayer, ReshapeLayer

    if len(shape) == 1:
        return reader.board.add(node.outputs[0], FlattenLayer, x)
    return reader.board.add(node.outputs[0], ReshapeLayer, x, shape=([0], *shape))


@_reads("Gemm", "MatMul")
def _dense(reader: Any, node: Node) -> Draft:
    from lasagne import nonlinearities
    from lasagne.layers import DenseLayer

    x, weights = reader.draft(node, 0), reader.constant(node, 1)
    if len(x.shape) != 1 or weights.ndim != 2 or node.attributes.get("transA", 0):
        raise _unsupported(node, f"a product of {(None, *x.shape)} and {weights.shape}")
    if node.attributes.get("transB", 0):
        weights = weights.T
    bias = reader.optional_constant(node, 2)
    if bias is not None:
        beta = np.float32(_number(node, "beta", 1.0))
        bias = beta * np.broadcast_to(bias.reshape(-1), (weights.shape[1],))
    return reader.board.add(
        node.outputs[0],
        DenseLayer,
        x,
        {"W": np.float32(_number(node, "alpha", 1.0)) * weights, "b": bias},
        num_units=weights.shape[1],
        nonlinearity=nonlinearities.identity,
    )


@_reads("BatchNormalization")
def _normalisation(reader: Any, node: Node) -> Draft:
    x = reader.draft(node, 0)
    scale, offset, mean, variance = (
        np.float64(reader.constant(node, position)).ravel() for position in range(1, 5)
    )
    factor = scale / np.sqrt(variance + _number(node, "epsilon", 1e-5))
    if node.attributes.get("training_mode", 0):
        raise _unsupported(node, "training_mode=1")
    return _affine(reader, node, x, factor, offset - mean * factor)


def _affine(reader: Any, node: Node, x: Draft, factor: np.ndarray, offset: np.ndarray) -> Draft:
    """x · factor + offset, one number a channel, joined to the sum in front where there is one."""
    channels = x.shape[0]
    if factor.shape != (channels,) or offset.shape != (channels,):
        raise _unsupported(node, f"{factor.size} numbers for {channels} channels")
    # As many channels as the values have, which may be more than there are numbers in the file.
    reader.budget.spend(16 * channels, node.label)
    if not reader.may_join(x, node) or x.params.get("untie_biases"):
        if len(x.shape) not in (1, 3):
            raise _unsupported(node, f"arithmetic on values of shape {(None, *x.shape)}")
        return reader.board.add(
            node.outputs[0], BatchNormLayer, x, {"gamma": factor, "beta": offset}
        )
    weights, bias = np.asarray(x.weights["W"]), x.weights["b"]
    # Filters come first, units last.
    by_unit = factor if weights.ndim == 2 else factor.reshape(-1, *[1] * (weights.ndim - 1))
    x.weights["W"] = finite_weights(weights * by_unit, node.outputs[0])
    moved = offset if bias is None else bias * factor + offset
    x.weights["b"] = finite_weights(moved, node.outputs[0])
    return reader.board.rename(x, node.outputs[0])


def _by_channel(constant: np.ndarray, x: Draft) -> np.ndarray | None:
    """A constant that is broadcast to x as one number a channel; None if it is anything else."""
    shape = (1,) * (1 + len(x.shape) - constant.ndim) + constant.shape
    if len(shape) != 1 + len(x.shape) or any(size != 1 for size in (shape[0], *shape[2:])):
        return None
    if constant.size not in (1, x.shape[0]):
        return None
    return np.broadcast_to(np.float64(constant.reshape(-1)), (x.shape[0],))


@_reads("Add", "Sub")
def _addition(reader: Any, node: Node) -> Draft:
    found = reader.draft_and_constant(node)
    if found is None:
        if node.operator == "Sub":
            raise _unsupported(node, "a difference of two values")
        return _merged(reader, node)
    x, constant, constant_first = found
    if node.operator == "Sub":
        if constant_first:
            raise _unsupported(node, "a constant minus a value")
        constant = -constant
    offset = _by_channel(constant, x)
    if offset is not None:
        return _affine(reader, node, x, np.broadcast_to(1.0, x.shape[:1]), offset)
    return _untied(reader, node, x, constant)


def _untied(reader: Any, node: Node, x: Draft, constant: np.ndarray) -> Draft:
    """x + one number a pixel."""
    from lasagne.layers import Conv2DLayer

    joins = reader.may_join(x, node) and x.layer_class is Conv2DLayer
    if not joins or constant.size != math.prod(x.shape) or constant.shape[-3:] != x.shape:
        raise _unsupported(node, f"a constant of shape {constant.shape} added to {x.shape}")
    bias, constant = x.weights["b"], finite_weights(constant.reshape(x.shape), node.outputs[0])
    if bias is not None:
        constant = constant + (bias if bias.ndim == 3 else bias[:, None, None])
    x.weights["b"] = constant
    x.params["untie_biases"] = True
    return reader.board.rename(x, node.outputs[0])


@_reads("Mul", "Div")
def _multiplication(reader: Any, node: Node) -> Draft:
    from lasagne.layers import ElemwiseSumLayer

    found = reader.draft_and_constant(node)
    if found is None:
        if node.operator == "Div":
            raise _unsupported(node, "a quotient of two values")
        return _merged(reader, node)
    x, constant, constant_first = found
    if node.operator == "Div":
        if constant_first or not constant.all():
            raise _unsupported(node, "this quotient")
        constant = 1.0 / np.float64(constant)
    if not np.isfinite(np.float32(constant)).all():
        raise _unsupported(node, "a product with numbers that are not finite")
    if constant.size == 1 and x is reader.board.input and constant.item() > 0:
        reader.input_scale *= constant.item()
        return x
    factor = _by_channel(constant, x)
    if factor is not None and (reader.may_join(x, node) or constant.size > 1):
        return _affine(reader, node, x, factor, np.broadcast_to(0.0, x.shape[:1]))
    if constant.size != 1:
        raise _unsupported(node, f"a constant of shape {constant.shape} times {x.shape}")
    return reader.board.add(node.outputs[0], ElemwiseSumLayer, [x], coeffs=[float(constant.item())])


@_reads("Sum", "Max", "Min")
def _merged(reader: Any, node: Node) -> Draft:
    from lasagne.layers import ElemwiseMergeLayer, ElemwiseSumLayer
    from theano import tensor

    inputs = reader.drafts(node)
    if any(each.shape != inputs[0].shape for each in inputs):
        raise _unsupported(node, f"values of the shapes {[each.shape for each in inputs]} merged")
    if node.operator in ("Sum", "Add"):
        return reader.board.add(node.outputs[0], ElemwiseSumLayer, inputs)
    function = {"Max": tensor.maximum, "Min": tensor.minimum, "Mul": tensor.mul}[node.operator]
    return reader.board.add(node.outputs[0], ElemwiseMergeLayer, inputs, merge_function=function)


@_reads("Concat")
def _concatenation(reader: Any, node: Node) -> Draft:
    from lasagne.layers import ConcatLayer

    inputs = reader.drafts(node)
    axis = _axis(node, int(node.attributes.get("axis", 1)), 1 + len(inputs[0].shape))
    if axis == 0:
        raise _unsupported(node, "samples put behind one another")
    if len(inputs) == 1:
        return inputs[0]
    others = [[size for i, size in enumerate(each.shape, 1) if i != axis] for each in inputs]
    if any(each != others[0] for each in others):
        raise _unsupported(node, f"values of the shapes {[each.shape for each in inputs]} joined")
    return reader.board.add(node.outputs[0], ConcatLayer, inputs, axis=axis)


@_reads("Relu", "LeakyRelu", "Sigmoid", "Softmax", "Tanh")
def _nonlinearity(reader: Any, node: Node) -> Draft:
    from lasagne.layers import NonlinearityLayer

    x = reader.draft(node, 0)
    if node.operator == "Softmax":
        axis = int(node.attributes.get("axis", -1))
        if len(x.shape) != 1 or axis not in (-1, 1):
            raise _unsupported(node, f"the axis {axis} of a value of shape {(None, *x.shape)}")
    _number(node, "alpha", 0.01)
    function = nonlinearity_of(node.operator, node.attributes)
    if reader.may_join(x, node):
        x.params["nonlinearity"] = function
        return reader.board.rename(x, node.outputs[0])
    return reader.board.add(node.outputs[0], NonlinearityLayer, x, nonlinearity=function)


@_reads("Identity", "Dropout", "Cast")
def _nothing(reader: Any, node: Node) -> Draft:
    if node.operator == "Cast" and node.attributes.get("to") not in (1, 10, 11):
        raise _unsupported(node, "a conversion to integers")
    return reader.draft(node, 0)


@_reads("Flatten", "Reshape")
def _reshape(reader: Any, node: Node) -> Draft:
    x = reader.draft(node, 0)
    size = math.prod(x.shape)
    if node.operator == "Flatten":
        if int(node.attributes.get("axis", 1)) != 1:
            raise _unsupported(node, f"axis={node.attributes['axis']}")
        sizes = [size]
    else:
        first, *sizes = _integers(node, reader.constant(node, 1), "a shape")
        if node.attributes.get("allowzero", 0) and 0 in (first, *sizes):
            raise _unsupported(node, f"the empty shape {[first, *sizes]}")
        if first not in (-1, 0, reader.declared_samples):
            raise _unsupported(node, f"samples reshaped to {[first, *sizes]}")
        sizes = [
            x.shape[i] if each == 0 and i < len(x.shape) else each for i, each in enumerate(sizes)
        ]
        if sizes.count(-1) == 1:
            known = -math.prod(sizes)
            sizes = [size // known if each == -1 and known > 0 else each for each in sizes]
        if not sizes or min(sizes) < 1 or math.prod(sizes) != size:
            raise _unsupported(node, f"values of shape {x.shape} reshaped to {sizes}")
    if x is reader.board.input and len(x.shape) != 3 and len(sizes) == 3:
        return reader.board.reshape_input(sizes)
    if tuple(sizes) == x.shape:
        return x
    return _reshaped(reader, node, x, sizes)


@_reads("Transpose", "Squeeze", "Unsqueeze")
def _dimshuffle(reader: Any, node: Node) -> Draft:
    from lasagne.layers import DimshuffleLayer

    x = reader.draft(node, 0)
    rank = 1 + len(x.shape)
    if node.operator == "Transpose":
        perm = node.attributes.get("perm", range(rank)[::-1])
        pattern: list[Any] = _integers(node, perm, "perm")
        if sorted(pattern) != list(range(rank)):
            raise _unsupported(node, f"the axes in the order {pattern}")
    else:
        given = _integers(node, _given_axes(reader, node), "axes")
        if node.operator == "Squeeze":
            ones = [axis for axis, size in enumerate(x.shape, 1) if size == 1]
            dropped = _axes(node, given, rank) if given else ones
            pattern = [axis for axis in range(rank) if axis not in dropped]
        else:
            added = sorted(_axes(node, given, rank + len(given)))
            pattern = list(range(rank))
            for position in added:
                pattern.insert(position, "x")
    if not pattern or pattern[0] != 0:
        raise _unsupported(node, f"the axes in the order {pattern}")
    return reader.board.add(node.outputs[0], DimshuffleLayer, x, pattern=tuple(pattern))


@_reads("Pad")
def _padding(reader: Any, node: Node) -> Draft:
    from lasagne.layers import PadLayer

    x = reader.draft(node, 0)
    rank = 1 + len(x.shape)
    pads, value = reader.optional_constant(node, 1), reader.optional_constant(node, 2)
    pads = _integers(node, node.attributes.get("pads", ()) if pads is None else pads, "pads")
    mode = node.attributes.get("mode", "constant")
    axes = reader.optional_constant(node, 3)
    axes = range(rank) if axes is None else _axes(node, axes, rank)
    if mode != "constant" or len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise _unsupported(node, f"mode={mode!r}, pads={pads}")
    widths = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        widths[axis] = (before, after)
    if widths[0] != (0, 0):
        raise _unsupported(node, "more samples")
    fill = float(node.attributes.get("value", 0.0) if value is None else value.item())
    if np.isnan(fill) or np.float32(fill) == math.inf:  # -inf stands in front of a max pooling
        raise _unsupported(node, f"a border of {fill}")
    return reader.board.add(node.outputs[0], PadLayer, x, width=widths[1:], val=fill, batch_ndim=1)


@_reads("Slice")
def _slice(reader: Any, node: Node) -> Draft:
    from lasagne.layers import SliceLayer

    x = reader.draft(node, 0)
    rank = 1 + len(x.shape)
    starts, ends = (_integers(node, reader.constant(node, i), "bounds") for i in (1, 2))
    axes, steps = (reader.optional_constant(node, i) for i in (3, 4))
    axes = _axes(node, range(len(starts)) if axes is None else axes, rank)
    steps = [1] * len(starts) if steps is None else _integers(node, steps, "steps")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis == 0 or step == 0:
            raise _unsupported(node, "a slice of the samples" if step else "a step of 0")
        size = x.shape[axis - 1]
        step = max(-size, min(size, step))  # a longer one leads out of the value as well
        first, last, step = slice(start, end, step).indices(size)
        part = slice(first, last if last >= 0 else None, step)
        x = reader.board.add(node.outputs[0], SliceLayer, x, indices=part, axis=axis)
    return x


@_reads("Gather")
def _gather(reader: Any, node: Node) -> Draft:
    from lasagne.layers import SliceLayer

    x, index = reader.draft(node, 0), reader.constant(node, 1)
    axis = _axis(node, int(node.attributes.get("axis", 0)), 1 + len(x.shape))
    if axis == 0 or index.ndim:
        raise _unsupported(node, f"the axis {axis}, indices of shape {index.shape}")
    (place,) = _integers(node, index, "an index")
    place = _axis(node, place, x.shape[axis - 1], "the index {} of {} values")
    return reader.board.add(node.outputs[0], SliceLayer, x, indices=place, axis=axis)


@_reads("LRN")
def _response_normalisation(reader: Any, node: Node) -> Draft:
    from lasagne.layers import LocalResponseNormalization2DLayer

    x = reader.draft(node, 0)
    size = int(node.attributes["size"])
    if size % 2 == 0 or not 0 < size <= 2 * x.shape[0] + 1:
        raise _unsupported(node, f"size={size}")
    return reader.board.add(
        node.outputs[0],
        LocalResponseNormalization2DLayer,
        x,
        # ONNX divides alpha by the number of channels summed over; Lasagne does not.
        alpha=_number(node, "alpha", 1e-4) / size,
        beta=_number(node, "beta", 0.75),
        k=_number(node, "bias", 1.0),
        n=size,
    )
