"""What the arguments of layers may be: one table, for what Lasagne takes without a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Number, Real
from typing import Any

import numpy as np

__all__ = ["fault"]


def fault(layer_class: type, arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first argument that is not what it must be, and what that is in words.

    Symbolic values are left to the layer. A user's own class may mean something else
    by a name, unless it is one of those that mean the same everywhere.
    """
    table = _EVERYWHERE if not _is_lasagnes(layer_class) else {**_EVERYWHERE, **_LASAGNES}
    for name, value in arguments.items():
        if name in table and isinstance(value, _PLAIN):
            holds, words = table[name]
            if not holds(value):
                return name, words
    return None


def _is_lasagnes(layer_class: type) -> bool:
    return layer_class.__module__.partition(".")[0] in ("lasagne", "convnet_features")


_PLAIN = (Number, str, bytes, type(None), bool, np.bool_, list, tuple, Mapping)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _are_counts(value: Any, least: int = 1) -> bool:
    """One count, or one for each direction."""
    each = value if isinstance(value, list | tuple) and value else [value]
    return all(_is_count(one, least) for one in each)


def _is_border(value: Any) -> bool:
    return value in ("same", "full", "valid") if isinstance(value, str) else _are_counts(value, 0)


def _is_switch(value: Any) -> bool:
    """True or False, or 1 or 0, as code of 2015 has it."""
    return isinstance(value, bool | np.bool_ | Integral) and value in (0, 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


#: Whether a value will do, and the words for those that will.
_Rule = tuple[Callable[[Any], bool], str]
_COUNT: _Rule = (_is_count, "a whole number of at least 1")
_COUNTS: _Rule = (_are_counts, "a whole number of at least 1, or one for each direction")
_SWITCH: _Rule = (_is_switch, "True or False")

_EVERYWHERE: dict[str, _Rule] = {"num_units": _COUNT, "num_filters": _COUNT}
_LASAGNES: dict[str, _Rule] = {
    "filter_size": _COUNTS,
    "num_groups": _COUNT,
    "dilation": _COUNTS,
    "flip_filters": _SWITCH,
    "pool_size": _COUNTS,
    "stride": (
        lambda value: value is None or _are_counts(value),
        "a whole number of at least 1, or one for each direction",
    ),
    "pad": (
        _is_border,
        "'same', 'full', 'valid', or a whole number of at least 0, or one for each direction",
    ),
    "untie_biases": _SWITCH,
    "ignore_border": _SWITCH,
    "rescale": _SWITCH,
    "p": (
        lambda value: _is_number(value) and 0 <= value < 1,
        "the share of units that is dropped, at least 0 and below 1",
    ),
    "sigma": (
        lambda value: _is_number(value) and 0 <= value < float("inf"),
        "a standard deviation, a number of at least 0",
    ),
    "nonlinearity": (
        lambda value: value is None,  # any other plain value is no function
        "a function, such as lasagne.nonlinearities.rectify, or None",
    ),
}
