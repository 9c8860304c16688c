"""Activations of layers as the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .build import Network
from .head import head, last_features

__all__ = ["check_feature_layer", "feature_layers", "feature_names", "features", "layer_names"]

#: The layer whose activations are the features, where there is one of that name.
_USUAL = "dense"


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


def feature_layers(network: Network, feature_layer: Any) -> list[str]:
    """The names of the layers that `transform` gives.

    Parameters
    ----------
    network : Network
    feature_layer : str, list of str, or None
        None is the layer ``dense`` where there is one, and otherwise the last
        before the layer that predicts.

    Raises
    ------
    ValueError
        If one is unknown or named twice, or None stands for nothing.
    """
    if feature_layer is not None:
        check_feature_layer(network, feature_layer)
        return layer_names(network, feature_layer, "feature_layer")
    name = _USUAL if _USUAL in network.layers else last_features(network)
    if name is None:
        top = head(network)[0]
        raise ValueError(
            f"feature_layer=None: there is no layer of features, as {top!r}, which predicts, "
            f"stands on the images; name the layer that you want, as feature_layer={top!r}."
        )
    return [name]


def check_feature_layer(network: Network, feature_layer: Any) -> None:
    """That the layers which `feature_layer` names are there; None is for `transform` to resolve.

    Raises
    ------
    ValueError
        If one is unknown or named twice.
    """
    if feature_layer is None:
        return
    names = layer_names(network, feature_layer, "feature_layer")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"feature_layer: {twice[0]!r} is named {names.count(twice[0])} times; name it once."
        )


def features(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Each layer's activations as one row a sample, and the layers side by side."""
    rows = [output.reshape(len(output), -1) for output in outputs]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


def feature_names(network: Network, names: Sequence[str]) -> np.ndarray:
    """``dense0`` …, and ``<layer>_<c>_<y>_<x>`` for maps, in the order of `features`.

    Where two features would have one name (unit 11 of ``dense`` and unit 1 of
    ``dense1``), all names are ``<layer>.<unit>`` and ``<layer>.<c>_<y>_<x>``:
    what follows the last point is never part of a layer's name.
    """
    places = [
        (name, "_".join(map(str, index)), len(shape))
        for name in names
        for shape in [network.layers[name].output_shape[1:]]
        for index in np.ndindex(*shape)
    ]
    found = [f"{name}{'' if rank == 1 else '_'}{place}" for name, place, rank in places]
    if len(set(found)) < len(found):
        found = [f"{name}.{place}" for name, place, _ in places]
    return np.asarray(found, dtype=object)
