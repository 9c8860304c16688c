"""The declaration of a network, before anything is built: a list of layer specs."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..exceptions import NetworkError

__all__ = [
    "LayerSpec",
    "automatic_name",
    "check_layer_name",
    "is_layer_argument",
    "layer_arguments",
    "parse_layers",
    "split_parameter",
    "with_parameters",
]


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """One layer of a network: its name, its Lasagne class, and its arguments.

    Parameters
    ----------
    name : str
        What parameters, features and errors call the layer.
    layer_class : type
        A subclass of ``lasagne.layers.Layer`` or ``MergeLayer``.
    params : dict, default={}
        The arguments of the class. ``incoming`` (or ``incomings``) may name
        earlier layers; without it a layer stands on the one before it.

    Examples
    --------
    >>> from lasagne.layers import DenseLayer
    >>> LayerSpec("dense", DenseLayer, {"num_units": 256})
    dense: DenseLayer(num_units=256)
    """

    name: str
    layer_class: type
    params: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={_shown(value)}" for key, value in self.params.items())
        return f"{self.name}: {self.layer_class.__name__}({arguments})"

    def _identity(self) -> tuple[Hashable, ...]:
        return (self.name, self.layer_class, _comparable(self.params))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerSpec) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


def _shown(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _comparable(value: Any) -> Hashable:
    """`value` as something that is equal and hashes equally wherever the values are equal."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, _comparable(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_comparable(item) for item in value)
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, type) or (callable(value) and hasattr(value, "__code__")):
        return value
    # Lasagne's initialisers and nonlinearities with arguments compare by identity only.
    how_to_hash: Any = type(value).__hash__
    if how_to_hash is object.__hash__ and hasattr(value, "__dict__"):
        return (type(value), _comparable(vars(value)))
    return value


def parse_layers(layers: Iterable[Any]) -> list[LayerSpec]:
    """Read nolearn's two forms of a layer list.

    Parameters
    ----------
    layers : iterable
        Of ``(name, LayerClass)``, ``(name, LayerClass, {...})``,
        ``(LayerClass, {...})`` (the name is ``{...}["name"]``, or made of the
        class and the position, as in nolearn: ``conv2d1``), or `LayerSpec`. A class
        may be text: ``"DenseLayer"``, or ``"package.module.ClassOfOnesOwn"``.

    Returns
    -------
    list of LayerSpec

    Raises
    ------
    NetworkError
        If `layers` cannot be iterated, an entry has none of these forms, a name
        cannot be written to files, or two layers have one name.
    """
    if not isinstance(layers, Iterable):
        raise NetworkError(
            "layers must be None, a list of layers, or a function from the input layer to the "
            f"output layer; got {layers!r}."
        )
    specs: list[LayerSpec] = []
    for position, entry in enumerate(layers):
        specs.append(_parse_entry(entry, position))
    names = [spec.name for spec in specs]
    for name in names:
        check_layer_name(name)
    counts = Counter(names)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise NetworkError(
            f"layers: the name {twice[0]!r} is given to {counts[twice[0]]} layers; "
            "give each layer a name of its own."
        )
    if not specs:
        raise NetworkError("layers: the list is empty; give at least an output layer.")
    return specs


def _parse_entry(entry: Any, position: int) -> LayerSpec:
    match entry:
        case LayerSpec():
            return entry
        case (str() as name, (type() | str()) as given):
            return LayerSpec(name, _layer_class(given))
        case (str() as name, (type() | str()) as given, Mapping() as params):
            return LayerSpec(name, _layer_class(given), dict(params))
        case ((type() | str()) as given, Mapping() as params):
            params, layer_class = dict(params), _layer_class(given)
            name = params.pop("name", None)
            name = automatic_name(layer_class, position) if name is None else name
            return LayerSpec(name, layer_class, params)
        case type() as layer_class:
            return LayerSpec(automatic_name(layer_class, position), layer_class)
    raise NetworkError(
        f"layers: entry {position} is {entry!r}; use (name, LayerClass), "
        "(name, LayerClass, {...}) or (LayerClass, {...})."
    )


def _layer_class(given: type | str) -> type:
    """A layer's class: itself, or the one of that name."""
    if isinstance(given, type):
        return given
    import lasagne.layers

    from .. import layers as ours

    module, _, name = given.rpartition(".")
    found: Any = None
    if not module:
        found = getattr(lasagne.layers, name, None) or getattr(ours, name, None)
    else:
        with suppress(ImportError):
            found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type):
        known = [*dir(lasagne.layers), *ours.__all__]
        raise NetworkError(
            f"layers: there is no class {given!r}; give a class of lasagne.layers or "
            "convnet_features.layers, or the whole path of one's own: 'package.module.Class'."
            f"{_nearest(name, known)}"
        )
    return found


def check_layer_name(name: Any) -> None:
    """That a layer's name is text which files, tables and errors can hold.

    Raises
    ------
    NetworkError
        If it is something else, empty, or no Unicode text (half a surrogate pair).
    """
    if not isinstance(name, str) or not name or not _is_unicode(name):
        raise NetworkError(
            f"layers: {name!r} is no name for a layer; names are Unicode text of at least one "
            "character."
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def automatic_name(layer_class: type, position: int) -> str:
    """nolearn's name for a layer without one: ``conv2d1``."""
    return f"{layer_class.__name__.lower().replace('layer', '')}{position}"


def layer_arguments(layer_class: type) -> list[str]:
    """The names of the arguments that `layer_class` and its bases take, without self and inputs."""
    names: list[str] = []
    for base in layer_class.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names += [
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and parameter.name not in names
        ]
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return [name for name in names if name not in ("self", "incoming", "incomings", "name")]


def is_layer_argument(key: str, specs: Sequence[LayerSpec]) -> bool:
    """Whether `key` is ``<layer name>_<argument>`` of a layer that has such an argument."""
    return any(
        key.startswith(f"{spec.name}_") and key[len(spec.name) + 1 :] in _taken_by(spec)
        for spec in specs
    )


def split_parameter(key: str, specs: Sequence[LayerSpec]) -> tuple[LayerSpec, str] | None:
    """``'conv2d1_num_filters'`` as (the layer 'conv2d1', 'num_filters'), or None.

    With layers ``dense`` and ``dense_num``, ``'dense_num_units'`` belongs to the layer
    that has such an argument; where neither has, to the one with the longer name.

    Raises
    ------
    NetworkError
        If two layers have such an argument.
    """
    found = [(spec, key[len(spec.name) + 1 :]) for spec in specs if key.startswith(f"{spec.name}_")]
    known = [(spec, argument) for spec, argument in found if argument in _taken_by(spec)]
    if len(known) > 1:
        meanings = " and ".join(f"{argument!r} of layer {spec.name!r}" for spec, argument in known)
        raise NetworkError(
            f"parameter {key!r} may be {meanings}; rename a layer, or give the argument in layers."
        )
    return max(known or found, key=lambda each: len(each[0].name), default=None)


def _taken_by(spec: LayerSpec) -> list[str]:
    return [*layer_arguments(spec.layer_class), "incoming", "incomings", "layer_wrapper"]


def with_parameters(
    specs: Sequence[LayerSpec], layer_params: Mapping[str, Any], others: Sequence[str] = ()
) -> list[LayerSpec]:
    """`specs` with ``<layer name>_<argument>`` parameters put in.

    `others` are parameters that no layer has, and that may have been meant.

    Raises
    ------
    NetworkError
        If a parameter belongs to no layer or is no argument of its layer; the
        text lists the layers, or the arguments, and the nearest spelling.
    """
    updates: dict[str, dict[str, Any]] = {spec.name: {} for spec in specs}
    for key, value in layer_params.items():
        found = split_parameter(key, specs)
        if found is None:
            raise NetworkError(_unknown_layer(key, specs, others))
        spec, argument = found
        if argument not in _taken_by(spec):
            known = layer_arguments(spec.layer_class)
            raise NetworkError(_unknown_argument(key, argument, spec, known))
        updates[spec.name][argument] = value
    return [
        LayerSpec(spec.name, spec.layer_class, {**spec.params, **updates[spec.name]})
        for spec in specs
    ]


#: Names that an error lists.
_READABLE = 30


def _unknown_layer(key: str, specs: Sequence[LayerSpec], others: Sequence[str]) -> str:
    names = [spec.name for spec in specs]
    possible = [
        f"{s.name}_{argument}" for s in specs for argument in layer_arguments(s.layer_class)
    ]
    return (
        f"unknown parameter {key!r}: it begins with none of the layers' names "
        f"({', '.join(_abridged(names))}).{_nearest(key, [*others, *possible])}"
    )


def _abridged(names: list[str]) -> list[str]:
    """All of them; of more than anybody reads, the first and the last."""
    if len(names) <= _READABLE:
        return names
    return [*names[:8], f"... {len(names) - 12} more ...", *names[-4:]]


def _unknown_argument(key: str, argument: str, spec: LayerSpec, known: list[str]) -> str:
    hint = _nearest(key, [f"{spec.name}_{name}" for name in known])
    return (
        f"unknown parameter {key!r}: layer {spec.name!r} ({spec.layer_class.__name__}) has no "
        f"argument {argument!r}; it has {', '.join(known)}.{hint}"
    )


def _nearest(key: str, possible: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, possible, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
