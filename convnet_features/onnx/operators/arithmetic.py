"""Products, sums and normalisations: dense layers, biases, joins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from lasagne.layers import (
    Conv1DLayer,
    Conv2DLayer,
    ElemwiseMergeLayer,
    ElemwiseSumLayer,
    NonlinearityLayer,
)

from ...layers import (
    BatchNormLayer,
    BiasLayer,
    BroadcastMergeLayer,
    MatMulLayer,
    ScaleLayer,
    TakeLayer,
    TransposedConv2DLayer,
)
from ...nonlinearities import Clip, HardSigmoid
from ..nonlinearities import gated
from ..plan import PlannedLayer, finite_weights
from ..reading import Node
from .activations import applied
from .axes import seen_through, transposed, turned_back
from .nodes import by_channel, number, reads, unsupported

__all__ = ["scaled_and_moved", "spread_over"]


@reads("Gemm", "MatMul")
def _dense(reader: Any, node: Node) -> PlannedLayer:
    from lasagne import nonlinearities
    from lasagne.layers import DenseLayer

    if node.operator == "MatMul" and not reader.constants_of(node):
        return _product(reader, node)
    x, weights = reader.layer(node, 0), reader.constant(node, 1)
    if len(x.shape) > 1 and weights.ndim == 2 and node.operator == "MatMul":
        return _of_last_axis(reader, node, x, weights)
    if len(x.shape) != 1 or weights.ndim != 2 or node.attributes.get("transA", 0):
        raise unsupported(node, f"a product of {(None, *x.shape)} and {weights.shape}")
    if node.attributes.get("transB", 0):
        weights = weights.T
    bias = reader.optional_constant(node, 2)
    if bias is not None:
        if bias.ndim > 1 and bias.size != bias.shape[-1]:
            raise unsupported(node, f"a bias of shape {bias.shape}")
        beta = np.float32(number(node, "beta", 1.0))
        bias = beta * np.broadcast_to(bias.reshape(-1), (weights.shape[1],))
    alpha = np.float32(number(node, "alpha", 1.0))
    return reader.plan.add(
        node.outputs[0],
        DenseLayer,
        x,
        {"W": weights if alpha == 1 else alpha * weights, "b": bias},
        num_units=weights.shape[1],
        nonlinearity=nonlinearities.identity,
    )


def _product(reader: Any, node: Node) -> PlannedLayer:
    """The product of two values."""
    inputs = reader.layers(node)
    ranks = [len(each.shape) for each in inputs]
    if len(inputs) != 2 or min(ranks) < 2:
        raise unsupported(node, f"a product of {[each.shape for each in inputs]}")
    if ranks[0] != ranks[1]:
        raise unsupported(node, f"a product of {[each.shape for each in inputs]}")
    return reader.plan.add(node.outputs[0], MatMulLayer, inputs)


def _of_last_axis(reader: Any, node: Node, x: PlannedLayer, weights: np.ndarray) -> PlannedLayer:
    """x · weights along the last axis: a convolution of one pixel, with the channels last."""
    from lasagne import nonlinearities

    rank = 1 + len(x.shape)
    if rank not in (3, 4) or weights.shape[0] != x.shape[-1]:
        raise unsupported(node, f"a product of {(None, *x.shape)} and {weights.shape}")
    maps = transposed(reader, f"{node.outputs[0]}_maps", x, (0, rank - 1, *range(1, rank - 1)))
    filters = weights.T.reshape(*weights.T.shape, *[1] * (rank - 2))
    y = reader.plan.add(
        node.outputs[0],
        Conv2DLayer if rank == 4 else Conv1DLayer,
        maps,
        {"W": filters, "b": None},
        num_filters=weights.shape[1],
        filter_size=(1,) * (rank - 2),
        nonlinearity=nonlinearities.identity,
    )
    return transposed(reader, f"{node.outputs[0]}_last", y, (0, *range(2, rank), 1))


@reads("BatchNormalization")
def _normalisation(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    scale, offset, mean, variance = (
        np.float64(reader.constant(node, position)).ravel() for position in range(1, 5)
    )
    epsilon = number(node, "epsilon", 1e-5)
    inv_std = 1 / np.sqrt(variance + epsilon)
    if node.attributes.get("training_mode", 0):
        raise unsupported(node, "training_mode=1")
    weights = {"gamma": scale, "beta": offset, "mean": mean, "inv_std": inv_std}
    factor = scale * inv_std
    return _affine(reader, node, x, factor, offset - mean * factor, weights, epsilon=epsilon)


def _affine(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    factor: np.ndarray,
    offset: np.ndarray,
    alone: dict[str, np.ndarray] | None = None,
    **params: float,
) -> PlannedLayer:
    """x · factor + offset, one number a channel, joined to the sum in front where there is one.

    Where there is none they are layers of their own; of a batch normalisation one, with the
    weights `alone` and `params`.
    """
    channels = x.shape[0]
    if factor.shape != (channels,) or offset.shape != (channels,):
        raise unsupported(node, f"{factor.size} numbers for {channels} channels")
    # As many channels as the values have, which may be more than there are numbers in the file.
    reader.budget.spend(16 * channels, node.label)
    if not reader.may_join(x, node) or x.params.get("untie_biases"):
        if alone is None:
            columns = (1, channels, *[1] * (len(x.shape) - 1))
            return scaled_and_moved(
                reader, node, x, factor.reshape(columns), offset.reshape(columns)
            )
        if any(each.shape != (channels,) for each in alone.values()):
            raise unsupported(node, f"a normalisation of {channels} channels")
        return reader.plan.add(node.outputs[0], BatchNormLayer, x, alone, **params)
    weights, bias = np.asarray(x.weights["W"]), x.weights["b"]
    x.weights["W"] = finite_weights(_times_units(x, weights, factor), node.outputs[0])
    moved = offset if bias is None else bias * factor + offset
    x.weights["b"] = finite_weights(moved, node.outputs[0])
    return reader.plan.rename(x, node.outputs[0])


def _times_units(x: PlannedLayer, weights: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The weights of a convolution or dense layer, with each unit times its factor."""
    if issubclass(x.layer_class, TransposedConv2DLayer):
        # Filters come second, within the groups of channels.
        groups = x.params["num_groups"]
        of_groups = weights.reshape(groups, -1, *weights.shape[1:])
        return (of_groups * factor.reshape(groups, 1, -1, 1, 1)).reshape(weights.shape)
    # Filters come first, units last.
    by_unit = factor if weights.ndim == 2 else factor.reshape(-1, *[1] * (weights.ndim - 1))
    return weights * by_unit


def scaled_and_moved(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    factor: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> PlannedLayer:
    """x · factor + offset, each in a layer of its own where it does anything.

    Each has as many axes as x, of size 1 where it is the same for all; None for nothing.
    """
    output = node.outputs[0]
    moves = offset is not None and bool(offset.any())
    if factor is not None and (factor != 1).any():
        name = f"{output}_scaled" if moves else output
        x = _with_parameter(reader, name, ScaleLayer, x, "scales", factor)
    if offset is not None and moves:
        x = _with_parameter(reader, output, BiasLayer, x, "b", offset)
    return x


def _with_parameter(
    reader: Any, value: str, layer_class: type, x: PlannedLayer, name: str, parameter: np.ndarray
) -> PlannedLayer:
    shared = tuple(axis for axis, size in enumerate(parameter.shape) if size == 1)
    weights = np.squeeze(parameter, shared)
    return reader.plan.add(value, layer_class, x, {name: weights}, shared_axes=shared)


def _spread(constant: np.ndarray, x: PlannedLayer) -> np.ndarray | None:
    """A constant that is broadcast to x, with as many axes; None if it is broadcast otherwise."""
    rank = 1 + len(x.shape)
    if constant.ndim > rank:
        return None
    spread = np.asarray(constant, np.float64).reshape(
        (1,) * (rank - constant.ndim) + constant.shape
    )
    fits = all(size in (1, own) for size, own in zip(spread.shape, (1, *x.shape), strict=True))
    return spread if fits else None


def spread_over(node: Node, constant: np.ndarray, x: PlannedLayer) -> np.ndarray:
    """A constant with as many axes as x, to which it is broadcast."""
    spread = _spread(constant, x)
    if spread is None:
        raise unsupported(node, f"a constant of shape {constant.shape} beside {x.shape}")
    return spread


@reads("Add", "Sub")
def _addition(reader: Any, node: Node) -> PlannedLayer:
    found = reader.layer_and_constant(node)
    if found is None:
        return _merged(reader, node)
    x, constant, constant_first = found
    source, order = seen_through(x)
    if source is not x:
        constant = turned_back(node, constant, order)
        y = _moved(reader, node, source, constant, constant_first)
        return transposed(reader, f"{node.outputs[0]}_turned", y, order)
    return _moved(reader, node, x, constant, constant_first)


def _moved(
    reader: Any, node: Node, x: PlannedLayer, constant: np.ndarray, constant_first: bool
) -> PlannedLayer:
    """x + constant, x - constant or constant - x."""
    factor = 1.0
    if node.operator == "Sub":
        factor = -1.0 if constant_first else 1.0
        constant = factor * -constant
    offset = by_channel(constant, x)
    joins = reader.may_join(x, node)
    if offset is not None and joins:
        return _affine(reader, node, x, np.broadcast_to(factor, x.shape[:1]), offset)
    spread = _spread(constant, x)
    if spread is None:
        raise unsupported(node, f"a constant of shape {constant.shape} added to {x.shape}")
    of_images = (
        joins and factor == 1 and issubclass(x.layer_class, (Conv2DLayer, TransposedConv2DLayer))
    )
    if of_images and spread.shape[1:] == x.shape:
        return _untied(reader, node, x, spread)
    sign = np.full((1,) * spread.ndim, factor)
    return scaled_and_moved(reader, node, x, sign, spread)


def _untied(reader: Any, node: Node, x: PlannedLayer, constant: np.ndarray) -> PlannedLayer:
    """x + one number a pixel, as the biases of the convolution that computes x."""
    bias, constant = x.weights["b"], finite_weights(constant.reshape(x.shape), node.outputs[0])
    if bias is not None:
        constant = constant + (bias if bias.ndim == 3 else bias[:, None, None])
    x.weights["b"] = constant
    x.params["untie_biases"] = True
    return reader.plan.rename(x, node.outputs[0])


@reads("Mul", "Div")
def _multiplication(reader: Any, node: Node) -> PlannedLayer:
    found = reader.layer_and_constant(node)
    if found is None:
        return _product_of_values(reader, node) if node.operator == "Mul" else _merged(reader, node)
    from theano import tensor

    x, constant, constant_first = found
    if node.operator == "Div":
        if not constant_first and not constant.all():
            raise unsupported(node, "this quotient")
        if constant_first:
            x = reader.plan.add(
                f"{node.outputs[0]}_reciprocal", NonlinearityLayer, x, nonlinearity=tensor.inv
            )
        else:
            constant = 1.0 / np.float64(constant)
    if not np.isfinite(np.float32(constant)).all():
        raise unsupported(node, "a product with numbers that are not finite")
    source, order = seen_through(x)
    if source is not x:
        y = _times(reader, node, source, turned_back(node, constant, order))
        return transposed(reader, f"{node.outputs[0]}_turned", y, order)
    return _times(reader, node, x, constant)


def _times(reader: Any, node: Node, x: PlannedLayer, constant: np.ndarray) -> PlannedLayer:
    """x · constant."""
    is_scale = constant.size == 1 and constant.item() > 0
    if is_scale and x is reader.plan.input and reader.is_used_once(x, node):
        reader.input_scale *= constant.item()
        return x
    factor = by_channel(constant, x)
    if factor is not None and reader.may_join(x, node):
        return _affine(reader, node, x, factor, np.broadcast_to(0.0, x.shape[:1]))
    spread = _spread(constant, x)
    if spread is None:
        raise unsupported(node, f"a constant of shape {constant.shape} times {x.shape}")
    if constant.size != 1:
        return scaled_and_moved(reader, node, x, spread)
    # A single number is no parameter.
    return _multiple(reader, node, x, float(constant.item()))


def _multiple(reader: Any, node: Node, x: PlannedLayer, factor: float) -> PlannedLayer:
    """factor · x; of two such factors behind each other one layer, or none."""
    if reader.is_used_once(x, node):
        function = x.params.get("nonlinearity")
        if type(function) is Clip and function.low == 0 and _is_one(factor * function.high):
            x.params["nonlinearity"] = HardSigmoid(factor, 0.0)
            return reader.plan.rename(x, node.outputs[0])
        inner = _factor(x)
        if inner is not None:
            factor *= inner
            reader.plan.drop(x)
            (x,) = x.incoming
            if _is_one(factor):
                reader.note_same(node.outputs[0], x)
                return x
    return reader.plan.add(node.outputs[0], ElemwiseSumLayer, [x], coeffs=[factor])


def _is_one(number: float) -> bool:
    """Whether a product of float32 numbers is 1."""
    return math.isclose(number, 1, rel_tol=1e-6)


def _factor(x: PlannedLayer) -> float | None:
    """The number that x is a multiple by, if it is only that."""
    if x.layer_class is not ElemwiseSumLayer or len(x.incoming) != 1:
        return None
    (factor,) = x.params.get("coeffs", [1.0])
    return float(factor)


def _product_of_values(reader: Any, node: Node) -> PlannedLayer:
    """The product of two values; numbers that they are multiples by go behind it."""
    whole = 1.0
    for name, x in zip(node.inputs, reader.layers(node), strict=True):
        factor = _factor(x)
        if factor is not None and reader.is_used_once(x, node):
            whole *= factor
            reader.plan.drop(x)
            reader.note_same(name, x.incoming[0])
            reader.values[name] = x.incoming[0]
    gated = _gated(reader, node)
    product = _merged(reader, node) if gated is None else gated
    return product if whole == 1 else _multiple(reader, node, product, whole)


def _gated(reader: Any, node: Node) -> PlannedLayer | None:
    """x · sigmoid(x) and its like, in the layer in front where it may be; None for others."""
    x, gate = reader.layers(node)
    if x.incoming == [gate]:
        x, gate = gate, x
    function = gated(gate.params.get("nonlinearity"))
    if function is None or gate.incoming != [x] or not reader.is_used_once(gate, node):
        return None
    if gate.layer_class is not NonlinearityLayer:
        return None
    reader.plan.drop(gate)
    return applied(reader, node, x, function, n_uses=2)


@reads("Sum", "Max", "Min")
def _merged(reader: Any, node: Node) -> PlannedLayer:

    if reader.constants_of(node):
        return _merged_with_constant(reader, node)
    inputs = reader.layers(node)
    orders = [seen_through(each)[1] for each in inputs]
    if all(order == orders[0] for order in orders) and seen_through(inputs[0])[0] is not inputs[0]:
        y = _merge(reader, node, [seen_through(each)[0] for each in inputs])
        return transposed(reader, f"{node.outputs[0]}_turned", y, orders[0])
    return _merge(reader, node, inputs)


@reads("Mean")
def _mean(reader: Any, node: Node) -> PlannedLayer:
    """The mean of several values of one shape."""
    inputs = reader.layers(node)
    if any(each.shape != inputs[0].shape for each in inputs):
        raise unsupported(node, f"values of the shapes {[each.shape for each in inputs]} merged")
    shares = [1 / len(inputs)] * len(inputs)
    return reader.plan.add(node.outputs[0], ElemwiseSumLayer, inputs, coeffs=shares)


def _merged_with_constant(reader: Any, node: Node) -> PlannedLayer:
    """The larger or the smaller of x and a constant, or their sum."""
    from lasagne.nonlinearities import rectify

    found = reader.layer_and_constant(node) if len(node.inputs) == 2 else None
    if found is None:
        raise unsupported(node, "a constant among the values")
    if node.operator == "Sum":
        return _addition(reader, node)
    x, constant, _ = found
    if not np.isfinite(constant).all():
        raise unsupported(node, "a constant that is not finite")
    if constant.size == 1:
        bound = float(constant.item())
        if node.operator == "Min":
            return applied(reader, node, x, Clip(high=bound))
        return applied(reader, node, x, rectify if bound == 0 else Clip(low=bound))
    source, order = seen_through(x)
    offset = spread_over(node, turned_back(node, constant, order), source)
    sign = np.full((1,) * offset.ndim, 1.0 if node.operator == "Max" else -1.0)
    # max(x, c) = c + max(x - c, 0), and the same of the negative.
    above = scaled_and_moved(reader, node, source, sign, -sign * offset)
    y = scaled_and_moved(reader, node, applied(reader, node, above, rectify), sign, offset)
    return y if source is x else transposed(reader, f"{node.outputs[0]}_turned", y, order)


def _merge(reader: Any, node: Node, inputs: list[PlannedLayer]) -> PlannedLayer:
    """The inputs merged from left to right."""
    from theano import tensor

    if len(inputs) == 2:
        inputs = [_unexpanded(each, inputs) for each in inputs]
    same = all(each.shape == inputs[0].shape for each in inputs)
    if same and node.operator in ("Sum", "Add"):
        return reader.plan.add(node.outputs[0], ElemwiseSumLayer, inputs)
    if any(len(each.shape) != len(inputs[0].shape) for each in inputs):
        raise unsupported(node, f"values of the shapes {[each.shape for each in inputs]} merged")
    function = {
        "Add": tensor.add,
        "Div": tensor.true_div,
        "Max": tensor.maximum,
        "Min": tensor.minimum,
        "Mul": tensor.mul,
        "Sub": tensor.sub,
        "Sum": tensor.add,
    }[node.operator]
    layer_class = ElemwiseMergeLayer if same else BroadcastMergeLayer
    return reader.plan.add(node.outputs[0], layer_class, inputs, merge_function=function)


def _unexpanded(x: PlannedLayer, others: list[PlannedLayer]) -> PlannedLayer:
    """x before it was made as large as the other values are: a merge does the same."""
    shape = x.shape
    while (
        x.layer_class is TakeLayer
        and set(x.params["indices"]) == {0}
        and x.incoming[0].shape[x.params["axis"] - 1] == 1
        and any(each is not x and each.shape == shape for each in others)
        and not all(each.layer_class is TakeLayer for each in others)
    ):
        x = x.incoming[0]
    return x
