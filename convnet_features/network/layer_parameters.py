"""What may be set of each layer: ``<layer>_<argument>``, its value, and what it means."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .spec import LayerSpec, layer_arguments
from .tables import RecordTable

__all__ = ["LayerParameter", "LayerParameterTable", "list_parameters", "shown"]

empty = inspect.Parameter.empty

#: What an output layer that is a DenseLayer takes from y.
OF_Y = ("num_units", "nonlinearity")

#: Arguments of every layer that say nothing of what it computes.
_OF_NO_USE = ("kwargs", "name", "layer_wrapper")


class LayerParameter(NamedTuple):
    """A parameter of a layer.

    `inspect.Parameter.empty`, shown as ``-``, stands for what nobody has said yet.

    Attributes
    ----------
    name : str
        As ``set_params`` and searches take it: ``conv2d1_num_filters``.
    layer : str
    argument : str
        Of the layer's class.
    value : object
        What the network is built with: what was set, what `layers` declares, or the default.
        An output layer's number of units and nonlinearity come from y.
    default : object
        That of the layer's class.
    meaning : str
        The first sentence about it in the documentation of the layer's class; empty where
        there is none.
    """

    name: str
    layer: str
    argument: str
    value: Any
    default: Any
    meaning: str


class LayerParameterTable(RecordTable[LayerParameter]):
    """A list of `LayerParameter` that shows itself as a table."""

    HEAD = ("parameter", "value", "default", "meaning")
    FIELDS = LayerParameter._fields

    def cells(self, record: LayerParameter) -> tuple[str, ...]:
        return (record.name, shown(record.value), shown(record.default), record.meaning)


def shown(value: Any) -> str:
    """A value of a parameter, as a short text."""
    if value is empty:
        return "-"
    named = getattr(value, "__name__", None)
    if isinstance(named, str):
        return named
    text = repr(value)
    # Lasagne's initialisers and functions with arguments are shown by Python as addresses.
    return type(value).__name__ if re.search(r" at 0x[0-9a-fA-F]+>$", text) else text


def list_parameters(specs: Sequence[LayerSpec], name: str | None = None) -> LayerParameterTable:
    """The parameters of all layers, in the order of the layers and of their arguments.

    With a name only those of layers that may have a parameter of that name.
    """
    found = LayerParameterTable()
    for spec in specs:
        if name is not None and not name.startswith(f"{spec.name}_"):
            continue
        found.extend(_of_layer(spec, is_last=spec is specs[-1]))
    return found


def _of_layer(spec: LayerSpec, is_last: bool) -> Iterator[LayerParameter]:
    from_y = OF_Y if is_last and issubclass(spec.layer_class, _dense_layer()) else ()
    defaults, meanings = _defaults(spec.layer_class), _meanings(spec.layer_class)
    for argument in layer_arguments(spec.layer_class):
        if argument in _OF_NO_USE:
            continue
        default = defaults.get(argument, empty)
        value = spec.params.get(argument, empty if argument in from_y else default)
        name = f"{spec.name}_{argument}"
        yield LayerParameter(name, spec.name, argument, value, default, meanings.get(argument, ""))


def _dense_layer() -> Any:
    from lasagne.layers import DenseLayer

    return DenseLayer


@functools.lru_cache(256)
def _defaults(layer_class: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(layer_class.__mro__):
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            found.update({each.name: each.default for each in parameters})
    return found


#: "num_filters : int", "W, b : initialiser", or "pad : int, iterable of int, 'full' or 'valid'".
_HEADING = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) ?: ")


@functools.lru_cache(256)
def _meanings(layer_class: type) -> dict[str, str]:
    """The first sentence about each argument, of the class and of those it comes from."""
    found: dict[str, str] = {}
    for base in reversed(layer_class.__mro__):
        found.update(_documented(vars(base).get("__doc__") or ""))
    return found


def _documented(docstring: str) -> dict[str, str]:
    """The first sentences of the section "Parameters" of a docstring in NumPy's form."""
    _, _, rest = inspect.cleandoc(docstring).partition("Parameters\n----------\n")
    section = re.split(r"\n[^\n]+\n-{3,}\n", rest)[0]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", section):
        heading, _, text = entry.partition("\n")
        match = _HEADING.match(heading)
        if match:
            words = " ".join(text.partition("\n\n")[0].split())
            sentence = re.split(r"(?<=[.:])\s", words)[0].rstrip(":")
            found.update(dict.fromkeys(match[1].replace("*", "").split(", "), sentence))
    return found
