"""A hashable description of a built network, by which compiled programs are shared.

Two networks with equal signatures have the same graph up to the values of
their parameters: classes, arguments and shapes are in it, values are not.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from .build import Network

__all__ = ["network_signature"]


class _Opaque(Exception):
    """An attribute that cannot be described, so that the network can be nobody's twin."""


#: Attributes of a layer that its graph does not depend on.
_IRRELEVANT = frozenset({"input_layer", "input_layers", "params", "input_var", "get_output_kwargs"})


def network_signature(network: Network) -> Hashable | None:
    """The signature of `network`, or None where some attribute of a layer defies description."""
    positions = {id(layer): index for index, layer in enumerate(network.layers.values())}
    try:
        return (
            network.input_shape,
            positions[id(network.output)],
            tuple(_layer(layer, positions) for layer in network.layers.values()),
        )
    except _Opaque:
        return None


def _layer(layer: Any, positions: Mapping[int, int]) -> Hashable:
    incoming = getattr(layer, "input_layers", None) or [getattr(layer, "input_layer", None)]
    attributes = {key: value for key, value in vars(layer).items() if key not in _IRRELEVANT}
    return (
        type(layer),
        tuple(positions.get(id(each), -1) for each in incoming),
        _describe(attributes, depth=4),
        tuple((name, frozenset(tags)) for name, tags in _tags(layer)),
    )


def _tags(layer: Any) -> list[tuple[str, set[str]]]:
    return [(param.name or "", tags) for param, tags in layer.params.items()]


def _describe(value: Any, depth: int) -> Hashable:
    from pytensor.compile.sharedvalue import SharedVariable

    if isinstance(value, SharedVariable):
        held = value.get_value(borrow=True)
        return ("shared", str(value.type.dtype), held.shape) if hasattr(held, "shape") else "rng"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | type):
        return (type(value), value)
    if isinstance(value, np.generic):
        return (type(value), value.item())
    if depth == 0:
        raise _Opaque
    if isinstance(value, list | tuple | set | frozenset):
        return (type(value).__name__, *(_describe(item, depth - 1) for item in value))
    if isinstance(value, Mapping):
        return tuple((key, _describe(item, depth - 1)) for key, item in value.items())
    return _describe_object(value, depth)


def _describe_object(value: Any, depth: int) -> Hashable:
    if type(value).__module__.startswith("convnet_features.theano_facade"):
        return type(value)  # a random stream: programs get their generators as arguments
    if callable(value) and not hasattr(value, "__dict__"):
        return value
    if callable(value) and hasattr(value, "__code__"):
        return value  # a function is the same graph as long as it is the same object
    if isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        raise _Opaque
    # An instance with parameters, as lasagne.nonlinearities.LeakyRectify.
    return (type(value), _describe(vars(value), depth - 1))
