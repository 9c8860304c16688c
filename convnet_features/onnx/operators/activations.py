"""What is applied to each value as it stands: nonlinearities, response normalisation, nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import BiasLayer, ParametricRectifierLayer
from ...nonlinearities import Clip, Comparison, HardSigmoid, Power, SoftmaxAlong, softplus, swish
from ..nonlinearities import THEANO_FUNCTIONS, nonlinearity_of, readable_nonlinearities
from ..plan import PlannedLayer
from ..reading import Node
from .axes import seen_through, transposed
from .nodes import axis_of, by_channel, number, reads, unsupported

__all__ = ["applied"]


@reads(*readable_nonlinearities())
def _nonlinearity(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    for name in node.attributes.keys() & {"alpha", "beta", "gamma"}:
        number(node, name, 0.0)
    if node.operator == "Celu" and not node.attributes.get("alpha", 1.0) > 0:
        raise unsupported(node, f"alpha={node.attributes['alpha']}")
    return applied(reader, node, x, nonlinearity_of(node.operator, node.attributes))


@reads("Swish")
def _swish(reader: Any, node: Node) -> PlannedLayer:
    """x · sigmoid(alpha · x)."""
    from lasagne.layers import ElemwiseMergeLayer, ElemwiseSumLayer, NonlinearityLayer
    from lasagne.nonlinearities import sigmoid
    from theano import tensor

    x, alpha = reader.layer(node, 0), number(node, "alpha", 1.0)
    if alpha == 1:
        return applied(reader, node, x, swish)
    name = node.outputs[0]
    steeper = reader.plan.add(f"{name}_steeper", ElemwiseSumLayer, [x], coeffs=[alpha])
    gate = reader.plan.add(f"{name}_gate", NonlinearityLayer, steeper, nonlinearity=sigmoid)
    return reader.plan.add(name, ElemwiseMergeLayer, [x, gate], merge_function=tensor.mul)


@reads("LogSoftmax", "Softmax")
def _softmax(reader: Any, node: Node) -> PlannedLayer:
    from lasagne import nonlinearities

    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    flattens = reader.graph.opset < 13  # all axes from the one on
    axis = axis_of(node, int(node.attributes.get("axis", 1 if flattens else -1)), rank)
    if axis == 0 or (flattens and math.prod(x.shape[axis:]) > 1):
        raise unsupported(node, f"the axis {axis} of a value of shape {(None, *x.shape)}")
    if node.operator == "Softmax" and rank == 2:
        return applied(reader, node, x, nonlinearities.softmax)
    return applied(reader, node, x, SoftmaxAlong(axis, log=node.operator == "LogSoftmax"))


@reads(*THEANO_FUNCTIONS)
def _function(reader: Any, node: Node) -> PlannedLayer:
    from theano import tensor

    x = reader.layer(node, 0)
    if node.operator == "Log" and (inner := _one_more_than_exp(reader, node, x)) is not None:
        return applied(reader, node, inner, softplus)
    return applied(reader, node, x, getattr(tensor, THEANO_FUNCTIONS[node.operator]))


def _one_more_than_exp(reader: Any, node: Node, x: PlannedLayer) -> PlannedLayer | None:
    """The value of which x is 1 + exp, for `node` alone."""
    from theano import tensor

    if _single_shift(reader, node, x) != 1:
        return None
    (exp,) = x.incoming
    is_exp = exp.params.get("nonlinearity") is tensor.exp and "num_filters" not in exp.params
    return exp.incoming[0] if is_exp and len(exp.incoming) == 1 and not exp.weights else None


def _single_shift(reader: Any, node: Node, x: PlannedLayer) -> float | None:
    """The number that x adds to what it stands on, if it does only that, and for `node` alone."""
    if x.layer_class is not BiasLayer or not reader.is_used_once(x, node):
        return None
    shift = x.weights["b"]
    return float(shift.item()) if shift is not None and shift.size == 1 else None


@reads("Pow")
def _power(reader: Any, node: Node) -> PlannedLayer:
    from theano import tensor

    x, exponent = reader.layer(node, 0), reader.constant(node, 1)
    if exponent.size != 1 or not np.isfinite(exponent.item()):
        raise unsupported(node, f"exponents of shape {exponent.shape}")
    power = float(exponent.item())
    return applied(reader, node, x, tensor.sqr if power == 2 else Power(power))


def applied(
    reader: Any, node: Node, x: PlannedLayer, function: Callable[..., Any], n_uses: int = 1
) -> PlannedLayer:
    """function(x), in the layer in front or in one of its own.

    `n_uses` is how often the function's nodes use x.
    """
    from lasagne.layers import NonlinearityLayer

    source, order = seen_through(x)
    if source is not x and not isinstance(function, SoftmaxAlong):
        y = applied(reader, node, source, function, n_uses)
        return transposed(reader, f"{node.outputs[0]}_turned", y, order)
    if reader.may_join(x, node, n_uses):
        x.params["nonlinearity"] = function
        return reader.plan.rename(x, node.outputs[0])
    return reader.plan.add(node.outputs[0], NonlinearityLayer, x, nonlinearity=function)


@reads("Clip")
def _clip(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import ElemwiseSumLayer, NonlinearityLayer
    from lasagne.nonlinearities import rectify

    x = reader.layer(node, 0)
    low, high = (
        _bound(reader, node, position, name, default)
        for position, name, default in ((1, "min", -math.inf), (2, "max", math.inf))
    )
    if not low <= high:
        raise unsupported(node, f"the bounds {low} and {high}")
    if low == -math.inf and high == math.inf:
        return x
    shift = _single_shift(reader, node, x)
    if shift is not None and low == 0 < high < math.inf:
        # A hard sigmoid, times a number that a quotient behind takes away again.
        (inner,) = x.incoming
        name, gate = f"{node.outputs[0]}_gate", HardSigmoid(1 / high, shift / high)
        y = reader.plan.add(name, NonlinearityLayer, inner, nonlinearity=gate)
        return reader.plan.add(node.outputs[0], ElemwiseSumLayer, [y], coeffs=[high])
    return applied(reader, node, x, rectify if (low, high) == (0, math.inf) else Clip(low, high))


def _bound(reader: Any, node: Node, position: int, name: str, default: float) -> float:
    """A bound, which became an input in later revisions; the largest numbers are none."""
    given = reader.optional_constant(node, position)
    bound = float(node.attributes.get(name, default) if given is None else given.item())
    return default if abs(bound) >= np.finfo(np.float32).max and bound * default > 0 else bound


@reads("PRelu")
def _parametric_rectifier(reader: Any, node: Node) -> PlannedLayer:
    x, slope = reader.layer(node, 0), reader.constant(node, 1)
    slopes = by_channel(slope, x)
    if slopes is None:
        raise unsupported(node, f"slopes of shape {slope.shape} of values of shape {x.shape}")
    return reader.plan.add(node.outputs[0], ParametricRectifierLayer, x, {"alpha": slopes})


@reads("LRN")
def _response_normalisation(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import LocalResponseNormalization2DLayer

    x = reader.layer(node, 0)
    size = int(node.attributes["size"])
    if size % 2 == 0 or not 0 < size <= 2 * x.shape[0] + 1:
        raise unsupported(node, f"size={size}")
    return reader.plan.add(
        node.outputs[0],
        LocalResponseNormalization2DLayer,
        x,
        # ONNX divides alpha by the number of channels summed over; Lasagne does not.
        alpha=number(node, "alpha", 1e-4) / size,
        beta=number(node, "beta", 0.75),
        k=number(node, "bias", 1.0),
        n=size,
    )


#: What makes of ones and zeros as integers the same as of floats.
_OF_TRUTHS = ("Cast", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "output")


def _converted(reader: Any, node: Node) -> PlannedLayer:
    """Ones and zeros stay what they are, where nothing computes with them as integers."""
    x, is_bool = reader.layer(node, 0), node.attributes.get("to") == 9
    counts = not is_bool and not reader.used_only_by(node.outputs[0], _OF_TRUTHS)
    if isinstance(seen_through(x)[0].params.get("nonlinearity"), Comparison) and not counts:
        return x
    if not is_bool:
        raise unsupported(node, "a conversion to integers")
    return applied(reader, node, x, Comparison("!=", 0.0))


@reads("Identity", "Dropout", "Cast")
def _nothing(reader: Any, node: Node) -> PlannedLayer:
    if node.operator == "Cast" and node.attributes.get("to") not in (1, 10, 11):
        return _converted(reader, node)
    if node.operator == "Dropout":
        training = reader.optional_constant(node, 2)
        if training is not None and np.any(training):
            raise unsupported(node, "dropout outside of training")
    return reader.layer(node, 0)
