"""Lasagne's nonlinearities and the ONNX operators that compute them, both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..exceptions import NetworkError
from .graph import GraphBuilder

__all__ = ["nonlinearity_of", "write_activated"]

#: Of ``lasagne.nonlinearities``, by name.
_OPERATORS = {
    "rectify": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}


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
    operator, attributes = _operator(layer)
    if operator is None:
        write(output)
        return output
    inner = graph.fresh("linear")
    write(inner)
    return graph.add(operator, inner, output=output, **attributes)


def _operator(layer: Any) -> tuple[str | None, dict[str, Any]]:
    from lasagne import nonlinearities

    function = layer.nonlinearity
    if function is None or function is nonlinearities.identity:
        return None, {}
    if type(function) is nonlinearities.LeakyRectify:
        return "LeakyRelu", {"alpha": float(function.leakiness)}
    for name, operator in _OPERATORS.items():
        if function is getattr(nonlinearities, name):
            return operator, {"axis": 1} if operator == "Softmax" else {}
    raise NetworkError(
        f"to_onnx: layer {layer.name!r} ({type(layer).__name__}) has the nonlinearity "
        f"{getattr(function, '__name__', function)!r}, for which ONNX has no operator here; there "
        f"are {', '.join(sorted(_OPERATORS))}, LeakyRectify and identity."
    )


def nonlinearity_of(operator: str, attributes: dict[str, Any]) -> Callable[..., Any] | None:
    """The nonlinearity that an ONNX operator computes, or None if it is no nonlinearity."""
    from lasagne import nonlinearities

    if operator == "LeakyRelu":
        return nonlinearities.LeakyRectify(float(attributes.get("alpha", 0.01)))
    for name, known in _OPERATORS.items():
        if operator == known:
            return getattr(nonlinearities, name)
    return None
