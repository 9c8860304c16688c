"""A warning about keywords of ``get_output`` that no layer takes, as later Lasagne gives it.

Lasagne 0.1 hands keywords on to every layer, and is silent about those that no layer
reads: ``get_output(layer, determinstic=True)`` is a network with dropout.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

__all__ = ["with_unused_keywords_named"]


def with_unused_keywords_named(get_output: Callable[..., Any]) -> Callable[..., Any]:
    """Lasagne's ``get_output``, warning of keywords that no layer takes."""

    @functools.wraps(get_output)
    def checked(layer_or_layers: Any, inputs: Any = None, **kwargs: Any) -> Any:
        result = get_output(layer_or_layers, inputs, **kwargs)
        unused = _unused(layer_or_layers, inputs, kwargs) if kwargs else []
        if unused:
            listed = "\n\t".join(unused)
            warnings.warn(f"get_output() was called with unused kwargs:\n\t{listed}", stacklevel=2)
        return result

    return checked


def _unused(layer_or_layers: Any, inputs: Any, kwargs: Iterable[str]) -> list[str]:
    from lasagne.layers import get_all_layers

    given = list(inputs) if isinstance(inputs, dict) else []
    taken = {"deterministic"}
    for layer in _with_inner(get_all_layers(layer_or_layers, given)):
        if layer in given:
            continue
        keywords = _keywords(layer)
        if keywords is None:  # nobody knows what it takes
            return []
        taken |= keywords
    unused = []
    for keyword in kwargs:
        if keyword not in taken:
            nearest = get_close_matches(keyword, sorted(taken), n=1)
            hint = f" (perhaps you meant {nearest[0]})" if nearest else ""
            unused.append(keyword + hint)
    return unused


def _with_inner(layers: Iterable[Any]) -> list[Any]:
    """`layers`, and those of the networks that recurrent layers hold."""
    from lasagne.layers import Layer, get_all_layers

    found = dict.fromkeys(layers)
    for layer in list(found):
        for value in getattr(layer, "__dict__", {}).values():
            if isinstance(value, Layer) and value not in found:
                found.update(dict.fromkeys(get_all_layers(value)))
    return list(found)


def _keywords(layer: Any) -> set[str] | None:
    """The keywords that a layer names, and those that it lists as ``get_output_kwargs``."""
    method = getattr(layer, "get_output_for", None)
    if not inspect.ismethod(method) and not inspect.isfunction(method):
        return None
    parameters = inspect.signature(method).parameters.values()
    named = {each.name for each in parameters if each.default is not inspect.Parameter.empty}
    return named | set(getattr(layer, "get_output_kwargs", ()))
