"""Learning rates of layers, as factors of the network's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import NetworkError
from ..network.build import Network
from .freezing import FEATURES, layers_of_features

__all__ = ["check_scales", "factors_of", "no_rate"]


def check_scales(
    network: Network, given: Mapping[str, float], frozen: Sequence[str]
) -> dict[str, float]:
    """The factor of each layer that has one; "features" is all layers of features at once.

    A layer's own factor goes before that of "features".

    Parameters
    ----------
    network : Network
    given : mapping of str to float
        By the layers' names.
    frozen : sequence of str
        Layers that `freeze` names, which have no learning rate.

    Raises
    ------
    NetworkError
        If there is no such layer, one is frozen as well, or two layers with other factors
        share a parameter.
    """
    scales: dict[str, float] = {}
    if FEATURES in given and FEATURES not in network.layers:
        names = layers_of_features(network, f"learning_rate_scale={dict(given)}")
        scales = dict.fromkeys([name for name in names if name not in frozen], given[FEATURES])
    for name, factor in given.items():
        if name in network.layers:
            scales[name] = factor
        elif name != FEATURES:
            raise NetworkError(
                f"learning_rate_scale: there is no layer {name!r}; the network has "
                f"{', '.join(network.layers)}."
            )
    both = [name for name in given if name in frozen and given[name] != 0]
    if both:
        raise NetworkError(
            f"learning_rate_scale and freeze both name {both[0]!r}, which has no learning rate "
            "while it is frozen; leave it out of one of them."
        )
    _by_parameter(network, scales)
    return {name: float(factor) for name, factor in scales.items()}


def no_rate(scales: Mapping[str, float]) -> tuple[str, ...]:
    """The layers whose factor is 0: they are frozen."""
    return tuple(name for name, factor in scales.items() if factor == 0)


def factors_of(
    network: Network, scales: Mapping[str, float], params: Sequence[Any]
) -> tuple[float, ...]:
    """The factor of each parameter; 1 where its layer has none."""
    known = _by_parameter(network, scales)
    return tuple(known.get(id(param), ("", 1.0))[1] for param in params)


def _by_parameter(network: Network, scales: Mapping[str, float]) -> dict[int, tuple[str, float]]:
    """The layer that names a parameter's factor, and the factor, by the parameter's identity."""
    known: dict[int, tuple[str, float]] = {}
    for name, factor in scales.items():
        for param in network.layers[name].get_params(trainable=True):
            other, agreed = known.setdefault(id(param), (name, factor))
            if agreed != factor:
                raise NetworkError(
                    f"learning_rate_scale: {other!r} and {name!r} share a parameter, and have the "
                    f"factors {agreed:g} and {factor:g}; give both the same."
                )
    return known
