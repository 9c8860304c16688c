"""Nonlinearities and the ONNX operators that compute them, both ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from ..exceptions import NetworkError
from ..nonlinearities import (
    Celu,
    Clip,
    Comparison,
    Elu,
    HardSigmoid,
    Power,
    ScaledTanH,
    Selu,
    SoftmaxAlong,
    erf,
    gelu,
    gelu_tanh,
    hard_swish,
    mish,
    softplus,
    softsign,
    swish,
)
from .graph import GraphBuilder

__all__ = [
    "THEANO_FUNCTIONS",
    "gated",
    "nonlinearity_of",
    "readable_nonlinearities",
    "write_activated",
]

#: Of ``lasagne.nonlinearities``, by name.
_OPERATORS = {
    "rectify": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}
#: Of ours, those that one operator without attributes computes.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Erf": erf,
    "Softplus": softplus,
    "Softsign": softsign,
}
#: Operators with attributes: the class, and for each of its arguments the attribute and what
#: ONNX takes where it is not given.
_CLASSES: dict[str, tuple[type, dict[str, tuple[str, float]]]] = {
    "Celu": (Celu, {"alpha": ("alpha", 1.0)}),
    "Elu": (Elu, {"alpha": ("alpha", 1.0)}),
    "HardSigmoid": (HardSigmoid, {"slope": ("alpha", 0.2), "shift": ("beta", 0.5)}),
    "Selu": (Selu, {"alpha": ("alpha", 1.6732632), "gamma": ("gamma", 1.050701)}),
}
#: Operators that are functions of Theano's, by their names there.
THEANO_FUNCTIONS = {
    "Abs": "abs_",
    "Ceil": "ceil",
    "Cos": "cos",
    "Exp": "exp",
    "Floor": "floor",
    "Log": "log",
    "Neg": "neg",
    "Reciprocal": "inv",
    "Sign": "sgn",
    "Sin": "sin",
    "Sqrt": "sqrt",
}
#: Operators that ONNX got too late to be written, and may be read.
_LATER = {"HardSwish": hard_swish, "Mish": mish}


def write_activated(
    graph: GraphBuilder, layer: Any, output: str, write: Callable[[str], Any]
) -> str:
    """Let `write` name its result, and put the layer's nonlinearity behind it.

    Parameters
    ----------
    graph : GraphBuilder
    layer : lasagne.layers.Layer
        With an attribute ``nonlinearity``.
    output : str
        What the result is called in the end.
    write : callable
        Takes the name that the value in front of the nonlinearity gets.

    Returns
    -------
    str
        `output`.

    Raises
    ------
    NetworkError
        If the nonlinearity has no ONNX operator.
    """
    from lasagne import nonlinearities

    if layer.nonlinearity is None or layer.nonlinearity is nonlinearities.identity:
        write(output)
        return output
    append = _writer(layer)
    inner = graph.fresh("linear")
    write(inner)
    return append(graph, inner, output)


Writer = Callable[[GraphBuilder, str, str], str]


def _writer(layer: Any) -> Writer:
    """What appends the nonlinearity of `layer` behind a value."""
    from lasagne import nonlinearities
    from theano import tensor

    function = layer.nonlinearity
    if type(function) is nonlinearities.LeakyRectify:
        return _node("LeakyRelu", alpha=float(function.leakiness))
    for name, operator in _OPERATORS.items():
        if function is getattr(nonlinearities, name):
            return _node(operator)
    if function is nonlinearities.softmax:
        return _node("Softmax", axis=1)
    if type(function) is SoftmaxAlong:
        return _node("LogSoftmax" if function.log else "Softmax", axis=function.axis)
    if type(function) is Power:
        return lambda graph, x, output: _write_power(graph, x, output, function.exponent)
    if function is tensor.sqr:
        return lambda graph, x, output: _write_power(graph, x, output, 2.0)
    for operator, name in THEANO_FUNCTIONS.items():
        if function is getattr(tensor, name):
            return _node(operator)
    for operator, known in _FUNCTIONS.items():
        if function is known:
            return _node(operator)
    for operator, (kind, arguments) in _CLASSES.items():
        if type(function) is kind:
            given = {to: float(getattr(function, name)) for name, (to, _) in arguments.items()}
            return _node(operator, **given)
    if type(function) is ScaledTanH:
        return lambda graph, x, output: _write_scaled_tanh(graph, x, output, function)
    if type(function) is Comparison:
        return lambda graph, x, output: _write_comparison(graph, x, output, function)
    if type(function) is Clip:
        return lambda graph, x, output: _write_clip(graph, x, output, function)
    for product, write in _PRODUCTS.items():
        if function is product:
            return write
    raise NetworkError(
        f"to_onnx: layer {layer.name!r} ({type(layer).__name__}) has the nonlinearity "
        f"{getattr(function, '__name__', function)!r}, for which ONNX has no operator here; there "
        f"are {', '.join(sorted([*_OPERATORS, 'softmax']))}, LeakyRectify, identity, and those of "
        "convnet_features.nonlinearities."
    )


def _write_scaled_tanh(graph: GraphBuilder, x: str, output: str, function: ScaledTanH) -> str:
    factors = [
        graph.constant(np.float32(factor), "factor")
        for factor in (function.scale_in, function.scale_out)
    ]
    return graph.add(
        "Mul", graph.add("Tanh", graph.add("Mul", x, factors[0])), factors[1], output=output
    )


def _node(operator: str, **attributes: Any) -> Writer:
    return lambda graph, x, output: graph.add(operator, x, output=output, **attributes)


def _write_clip(graph: GraphBuilder, x: str, output: str, function: Clip) -> str:
    bounds = [
        "" if math.isinf(bound) else graph.constant(np.float32(bound), "bound")
        for bound in (function.low, function.high)
    ]
    while bounds and not bounds[-1]:
        bounds.pop()
    return graph.add("Clip", x, *bounds, output=output)


#: What compares, and whether its result is turned round.
_RELATIONS = {
    ">": ("Greater", False),
    ">=": ("GreaterOrEqual", False),
    "<": ("Less", False),
    "<=": ("LessOrEqual", False),
    "==": ("Equal", False),
    "!=": ("Equal", True),
}


def _write_comparison(graph: GraphBuilder, x: str, output: str, function: Comparison) -> str:
    operator, negated = _RELATIONS[function.relation]
    holds = graph.add(operator, x, _number(graph, function.bound))
    if negated:
        holds = graph.add("Not", holds)
    return graph.add("Cast", holds, output=output, to=onnx.TensorProto.FLOAT)


def _write_power(graph: GraphBuilder, x: str, output: str, exponent: float) -> str:
    return graph.add("Pow", x, _number(graph, exponent), output=output)


def _write_swish(graph: GraphBuilder, x: str, output: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x), output=output)


def _write_hard_swish(graph: GraphBuilder, x: str, output: str) -> str:
    gate = graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    return graph.add("Mul", x, gate, output=output)


def _write_mish(graph: GraphBuilder, x: str, output: str) -> str:
    return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)), output=output)


def _write_gelu(graph: GraphBuilder, x: str, output: str) -> str:
    inner = graph.add("Mul", x, _number(graph, math.sqrt(0.5)))
    return _write_half(graph, x, graph.add("Erf", inner), output)


def _write_gelu_tanh(graph: GraphBuilder, x: str, output: str) -> str:
    cube = graph.add("Mul", graph.add("Mul", x, x), x)
    inner = graph.add("Add", x, graph.add("Mul", cube, _number(graph, 0.044715)))
    inner = graph.add("Mul", inner, _number(graph, math.sqrt(2 / math.pi)))
    return _write_half(graph, x, graph.add("Tanh", inner), output)


def _write_half(graph: GraphBuilder, x: str, gate: str, output: str) -> str:
    """x · (1 + gate) / 2."""
    product = graph.add("Mul", x, graph.add("Add", gate, _number(graph, 1.0)))
    return graph.add("Mul", product, _number(graph, 0.5), output=output)


def _number(graph: GraphBuilder, value: float) -> str:
    return graph.constant(np.float32(value), "number")


#: Those that are products of the value itself.
_PRODUCTS: dict[Any, Writer] = {
    gelu: _write_gelu,
    gelu_tanh: _write_gelu_tanh,
    hard_swish: _write_hard_swish,
    mish: _write_mish,
    swish: _write_swish,
}


def readable_nonlinearities() -> list[str]:
    """The operators that `nonlinearity_of` knows."""
    return ["LeakyRelu", "Gelu", *_OPERATORS.values(), *_FUNCTIONS, *_CLASSES, *_LATER]


def nonlinearity_of(operator: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    """The nonlinearity that an ONNX operator computes.

    Parameters
    ----------
    operator : str
        One of `readable_nonlinearities`.
    attributes : dict
        Numbers among them must be finite.

    Returns
    -------
    callable
    """
    from lasagne import nonlinearities

    if operator == "LeakyRelu":
        return nonlinearities.LeakyRectify(float(attributes.get("alpha", 0.01)))
    if operator == "Gelu":
        return gelu_tanh if attributes.get("approximate", "none") == "tanh" else gelu
    if operator in _CLASSES:
        kind, arguments = _CLASSES[operator]
        return kind(**{name: float(attributes.get(*where)) for name, where in arguments.items()})
    for name, known in _OPERATORS.items():
        if operator == known:
            return getattr(nonlinearities, name)
    return {**_FUNCTIONS, **_LATER}[operator]


def gated(gate: Any) -> Callable[..., Any] | None:
    """The nonlinearity that is x · gate(x), where there is one of that kind."""
    from lasagne import nonlinearities

    if gate is nonlinearities.sigmoid:
        return swish
    if type(gate) is HardSigmoid and abs(gate.slope - 1 / 6) < 1e-6 and gate.shift == 0.5:
        return hard_swish
    return None
