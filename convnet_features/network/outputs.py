"""The symbolic outputs of built layers."""

from __future__ import annotations

from typing import Any

from ..exceptions import ConvNetFeaturesError, NetworkError
from .build import Network

__all__ = ["symbolic_output"]


def symbolic_output(network: Network, layers: Any, **options: Any) -> Any:
    """``lasagne.layers.get_output``, whose errors say which layer they come from.

    Parameters
    ----------
    network : Network
        What the layers belong to.
    layers : lasagne.layers.Layer, or a list of them
    **options
        Passed on: ``deterministic=True``.

    Returns
    -------
    variable, or list of variables

    Raises
    ------
    NetworkError
        If some layer's arguments let it be built, and do not let it compute.
    """
    from lasagne.layers import get_output

    try:
        return get_output(layers, **options)
    except (MemoryError, ConvNetFeaturesError):
        raise
    except Exception as error:
        name, layer = _first_without(network, options)
        raise NetworkError(
            f"layer {name!r} ({type(layer).__name__}): its output cannot be computed with these "
            f"arguments: {error}"
        ) from error


def _first_without(network: Network, options: dict[str, Any]) -> tuple[str, Any]:
    """The first layer that has no symbolic output."""
    from lasagne.layers import get_output

    for name, layer in network.layers.items():
        try:
            get_output(layer, **options)
        except Exception:
            return name, layer
    return next(reversed(network.layers.items()))
