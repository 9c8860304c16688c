"""A hashable description of a built network, by which compiled programs are shared.

Two networks with equal signatures have the same graph up to the values of
their parameters: classes, arguments and shapes are in it, values are not. Users'
own classes and functions are described as they are now: they may be changed, as may
the global variables that they read.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.op import Op

from ..identity import UnknownIdentityError, array_identity, identity
from .build import Network

__all__ = ["description", "gradient_scale", "network_signature"]


class _OpaqueError(Exception):
    """An attribute cannot be described, so the network shares no program."""


#: Attributes of a layer that its graph does not depend on.
_IRRELEVANT = frozenset({"input_layer", "input_layers", "params", "input_var", "get_output_kwargs"})


def network_signature(network: Network) -> Hashable | None:
    """The signature of `network`, or None where some attribute of a layer defies description."""
    positions = {id(layer): index for index, layer in enumerate(network.layers.values())}
    # A parameter is known by its place, so that two layers that share one differ from two that
    # have one each.
    places = {id(param): index for index, param in enumerate(network.params)}
    try:
        return (
            tuple((each.type.dtype, each.type.shape) for each in network.input_vars),
            tuple(positions[id(output)] for output in network.outputs),
            tuple(_layer(layer, positions, places) for layer in network.layers.values()),
        )
    except _OpaqueError:
        return None


def gradient_scale(param: Any) -> float:
    """What nolearn's `grad_scale` says a parameter's gradient is to be multiplied by."""
    return float(getattr(getattr(param, "tag", None), "grad_scale", 1.0))


def description(value: Any) -> Hashable | None:
    """A description of an objective, say: equal ones make equal graphs. None if there is none."""
    try:
        return _describe(value, {}, depth=4)
    except _OpaqueError:
        return None


def _layer(layer: Any, positions: Mapping[int, int], places: Mapping[int, int]) -> Hashable:
    incoming = getattr(layer, "input_layers", None) or [getattr(layer, "input_layer", None)]
    if any(each is not None and id(each) not in positions for each in incoming):
        raise _OpaqueError  # a layer that is none of the network's
    attributes = {key: value for key, value in vars(layer).items() if key not in _IRRELEVANT}
    return (
        _made_of(type(layer)),
        tuple(positions.get(id(each), -1) for each in incoming),
        _describe(attributes, places, depth=4),
        tuple(
            (places.get(id(param)), frozenset(tags), gradient_scale(param))
            for param, tags in layer.params.items()
        ),
    )


def _describe(value: Any, places: Mapping[int, int], depth: int) -> Hashable:
    if isinstance(value, SharedVariable):
        if id(value) not in places:
            raise _OpaqueError  # read at every call: its value is this network's own
        return ("parameter", places[id(value)], value.get_value(borrow=True).shape)
    if isinstance(value, float):
        return (type(value), value, math.copysign(1.0, value))  # -0.0 is 0.0, to a dictionary
    if value is None or type(value) in _PLAIN:
        return (type(value), value)
    if isinstance(value, type):
        return _made_of(value)
    if isinstance(value, np.generic):
        return (type(value), value.tobytes())
    if type(value) is np.ndarray and value.dtype != object and value.ndim:
        return (np.ndarray, array_identity(value))
    if depth == 0:
        raise _OpaqueError
    if type(value) in (list, tuple, set, frozenset):
        return (type(value), *(_describe(item, places, depth - 1) for item in value))
    if type(value) in (dict, OrderedDict):
        items = tuple((key, _describe(item, places, depth - 1)) for key, item in value.items())
        return (type(value), items)
    return _describe_object(value, places, depth)


_PLAIN = (bool, int, float, complex, str, bytes)


def _describe_object(value: Any, places: Mapping[int, int], depth: int) -> Hashable:
    if type(value).__module__.startswith("convnet_features.theano_facade"):
        # A random stream: programs get their generators as arguments.
        return (type(value),)
    match value:
        case FunctionType():
            return _describe_function(value, places, depth)
        case MethodType():
            held = _describe(value.__self__, places, depth - 1)
            return (_made_of(value.__func__), held)
        case partial():
            parts = (value.func, value.args, value.keywords)
            return (partial, *(_describe(part, places, depth - 1) for part in parts))
        case Op():
            return value
    if callable(value) and not hasattr(value, "__dict__"):
        return value
    if not _is_plain_instance(value):
        raise _OpaqueError
    # An instance with parameters, as lasagne.nonlinearities.LeakyRectify.
    return (_made_of(type(value)), _describe(vars(value), places, depth - 1))


def _describe_function(value: FunctionType, places: Mapping[int, int], depth: int) -> Hashable:
    """A function is the same graph as long as it, and what it refers to, are the same."""
    if _is_global(value):
        return _made_of(value)
    try:
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
    except ValueError:  # an empty cell
        raise _OpaqueError from None
    held = (*cells, value.__defaults__, value.__kwdefaults__)
    return (_made_of(value), *(_describe(each, places, depth - 1) for each in held))


def _made_of(value: Callable[..., Any]) -> Hashable:
    """A class or a function; of users' own ones, what they consist of at present."""
    try:
        return (value, identity(value))
    except (UnknownIdentityError, RecursionError):
        raise _OpaqueError from None


def _is_global(value: FunctionType) -> bool:
    """Whether it is what its module has under its name, as every function of Theano's is."""
    return getattr(sys.modules.get(value.__module__), value.__qualname__, None) is value


def _is_plain_instance(value: Any) -> bool:
    """Whether all that `value` holds is in its ``__dict__``."""
    return hasattr(value, "__dict__") and all(
        base is object or (base.__flags__ & _HEAP_TYPE and not vars(base).get("__slots__"))
        for base in type(value).__mro__
    )


#: The flag of classes that are written in Python (CPython's Py_TPFLAGS_HEAPTYPE).
_HEAP_TYPE = 1 << 9
