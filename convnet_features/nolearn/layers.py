"""The layers of a network by name, by position and by slice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

__all__ = ["Layers", "grad_scale"]


class Layers(OrderedDict[str, Any]):
    """Lasagne layers by name, inputs first; also by position and slice, as a list.

    Examples
    --------
    >>> layers = Layers([("input", "first"), ("dense", "second"), ("output", "third")])
    >>> layers["dense"], layers[-1], list(layers[:2])
    ('second', 'third', ['input', 'dense'])
    """

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.values()[key]
        if isinstance(key, slice):
            return Layers(list(self.items())[key])
        return super().__getitem__(key)

    def keys(self) -> list[str]:  # type: ignore[override]
        """The names, as a list."""
        return list(super().keys())

    def values(self) -> list[Any]:  # type: ignore[override]
        """The layers, as a list."""
        return list(super().values())


def grad_scale(layer: Any, scale: float) -> Any:
    """Multiply the gradients of a layer's trained parameters by a number.

    Parameters
    ----------
    layer : lasagne.layers.Layer
    scale : float
        Below 1 the layer learns more slowly than others; at 0 it stays as it is,
        unless the update rule itself moves it.

    Returns
    -------
    lasagne.layers.Layer
        `layer`, so that this can be a ``layer_wrapper``:
        ``hidden_layer_wrapper=partial(grad_scale, scale=0.1)``.
    """
    for param in layer.get_params(trainable=True):
        param.tag.grad_scale = np.float32(scale)
    return layer
