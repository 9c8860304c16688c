"""Activations of layers as the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .network.build import Network

__all__ = ["feature_names", "features", "layer_names"]


def layer_names(network: Network, layers: Any, parameter: str) -> list[str]:
    """The names in `layers`, one or several, all of which the network has.

    Raises
    ------
    ValueError
        If one is unknown (the text lists those there are), or there is none.
    """
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, Sequence) or not names:
        raise ValueError(
            f"{parameter} must be a layer's name, or a list of at least one; got {layers!r}."
        )
    for name in names:
        if name not in network.layers:
            raise ValueError(
                f"{parameter}: there is no layer {name!r}; the network has "
                f"{', '.join(network.layers)}."
            )
    return list(names)


def features(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Each layer's activations as one row a sample, and the layers side by side."""
    rows = [output.reshape(len(output), -1) for output in outputs]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


def feature_names(network: Network, names: Sequence[str]) -> np.ndarray:
    """``dense0`` …, and ``<layer>_<c>_<y>_<x>`` for maps, in the order of `features`."""
    found: list[str] = []
    for name in names:
        shape = network.layers[name].output_shape[1:]
        separator = "" if len(shape) == 1 else "_"
        for index in np.ndindex(*shape):
            found.append(f"{name}{separator}{'_'.join(map(str, index))}")
    return np.asarray(found, dtype=object)
