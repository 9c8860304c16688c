"""Arguments of layers that are names of other layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..exceptions import NetworkError
from .spec import LayerSpec

__all__ = ["resolved"]

#: Arguments that are layers: text is the name of an earlier one.
_LAYERS = ("mask_input", "cell_init", "hid_init", "layer", "localization_network")
#: Arguments that are parameters: text is the name of an earlier layer, which shares its own.
_PARAMETERS = ("W", "b")


def resolved(
    spec: LayerSpec, params: Mapping[str, Any], built: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a layer, with layers and parameters in place of names of layers.

    Parameters
    ----------
    spec : LayerSpec
        The layer, for errors.
    params : mapping
        Its arguments: ``mask_input="mask"`` is the layer of that name, and
        ``W="hidden1"`` the weights of that layer, which both then share.
    built : mapping of str to lasagne.layers.Layer
        The layers before it.

    Returns
    -------
    dict

    Raises
    ------
    NetworkError
        If no layer before it has that name, or it has no such parameter.
    """
    return {key: _resolved(key, value, spec, built) for key, value in params.items()}


def _resolved(key: str, value: Any, spec: LayerSpec, built: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or key not in (*_LAYERS, *_PARAMETERS):
        return value
    described = f"layer {spec.name!r} ({spec.layer_class.__name__}, {key}={value!r})"
    if value not in built:
        raise NetworkError(
            f"{described}: no layer of that name comes before it; there are {', '.join(built)}."
        )
    if key in _LAYERS:
        return built[value]
    if not hasattr(built[value], key):
        raise NetworkError(f"{described}: layer {value!r} has no {key} to share.")
    return getattr(built[value], key)
