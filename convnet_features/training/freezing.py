"""Layers that keep their parameters while the rest of the network learns."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning, NetworkError
from ..network.build import Network
from ..network.outputs import symbolic_output

__all__ = ["check_frozen", "frozen_positions", "training_output", "warn_of_random"]


def check_frozen(network: Network, frozen: Sequence[str]) -> tuple[str, ...]:
    """The names of layers as a tuple.

    Raises
    ------
    NetworkError
        If there is no such layer, or nothing is left to train.
    """
    names = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    for name in names:
        if name not in network.layers:
            raise NetworkError(
                f"freeze: there is no layer {name!r}; the network has {', '.join(network.layers)}."
            )
    held = {id(param) for name in names for param in network.layers[name].params}
    if all(id(param) in held for param in network.params_tagged(trainable=True)):
        raise NetworkError(
            f"freeze={list(names)}: no layer with parameters is left to train; leave one out."
        )
    return names


def warn_of_random(network: Network, frozen: Sequence[str], loaded: Collection[str]) -> None:
    """Warn of frozen layers whose parameters are not among those that were loaded."""
    left = [
        name
        for name in network.named_params
        if name.rpartition(".")[0] in frozen and name not in loaded
    ]
    if left:
        warnings.warn(
            f"freeze: {', '.join(left)} did not come with the other parameters, and keep their "
            "random values for good; leave these layers out of freeze, or give pretrained what "
            "they need. load_report_ says what there was.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )


def frozen_positions(network: Network, frozen: Sequence[str]) -> frozenset[int]:
    """Which of ``network.params`` belong to frozen layers."""
    held = {id(param) for name in frozen for param in network.layers[name].params}
    return frozenset(i for i, param in enumerate(network.params) if id(param) in held)


def training_output(network: Network, frozen: Sequence[str]) -> Any:
    """The network's symbolic output in training; frozen layers compute as in inference.

    Gradients stop where everything below a layer is frozen (or has no parameters):
    nothing there would change.
    """
    from lasagne.layers import get_all_layers

    if not frozen:
        return symbolic_output(network, network.output)
    layers = get_all_layers(network.output)
    still = _without_learning(layers, frozen)
    outputs: dict[Any, Any] = {}
    for layer in layers:
        if layer is network.input:
            outputs[layer] = layer.input_var
            continue
        inputs = [
            _barrier(outputs[below])
            if below in still and layer not in still and below is not network.input
            else outputs[below]
            for below in _below(layer)
        ]
        outputs[layer] = layer.get_output_for(
            inputs if hasattr(layer, "input_layers") else inputs[0],
            deterministic=layer.name in frozen,
        )
    return outputs[network.output]


def _below(layer: Any) -> list[Any]:
    return list(getattr(layer, "input_layers", None) or [layer.input_layer])


def _without_learning(layers: Sequence[Any], frozen: Sequence[str]) -> set[Any]:
    """The layers that learn nothing, and stand on layers that learn nothing."""
    still: set[Any] = set()
    for layer in layers:
        learns = bool(layer.get_params(trainable=True)) and layer.name not in frozen
        is_input = not hasattr(layer, "input_layers") and not hasattr(layer, "input_layer")
        if not learns and (is_input or all(each in still for each in _below(layer))):
            still.add(layer)
    return still


def _barrier(output: Any) -> Any:
    from pytensor.gradient import disconnected_grad

    return disconnected_grad(output)
