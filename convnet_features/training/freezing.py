"""Layers that keep their parameters while the rest of the network learns."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning, NetworkError
from ..network.build import Network
from ..network.head import head, last_features
from ..network.outputs import symbolic_output

__all__ = [
    "FEATURES",
    "check_frozen",
    "frozen_positions",
    "inputs_of",
    "layers_of_features",
    "training_output",
    "warn_of_random",
    "without_learning",
]

#: What `freeze` and `learning_rate_scale` call everything in front of the layers that predict.
FEATURES = "features"


def check_frozen(network: Network, frozen: Sequence[str], asked: str = "freeze") -> tuple[str, ...]:
    """The names of layers as a tuple; "features" is all up to the last layer of features.

    Errors begin with the parameter that `asked`.

    Raises
    ------
    NetworkError
        If there is no such layer, or nothing is left to train.
    """
    names = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    if names == (FEATURES,) and FEATURES not in network.layers:
        names = layers_of_features(network, f"{asked}={FEATURES!r}")
    for name in names:
        if name not in network.layers:
            raise NetworkError(
                f"{asked}: there is no layer {name!r}; the network has {', '.join(network.layers)}."
            )
    held = {id(param) for name in names for param in network.layers[name].get_params()}
    if all(id(param) in held for param in network.params_tagged(trainable=True)):
        raise NetworkError(
            f"{asked}={list(names)}: no layer with parameters is left to train; leave one out."
        )
    return names


def layers_of_features(network: Network, asked: str) -> tuple[str, ...]:
    """The layers up to the last that computes features: dropout behind them belongs to the head.

    Raises
    ------
    NetworkError
        If there is none; the text begins with what was `asked` for.
    """
    names, last = list(network.layers), last_features(network)
    if last is None:
        raise NetworkError(
            f"{asked}: the network has no layers of features in front of those that "
            f"predict, {', '.join(map(repr, head(network)))}."
        )
    ends = head(network)
    return tuple(name for name in names[: names.index(last) + 1] if name not in ends)


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
    held = {id(param) for name in frozen for param in network.layers[name].get_params()}
    return frozenset(i for i, param in enumerate(network.params) if id(param) in held)


def training_output(
    network: Network, frozen: Sequence[str], given: Mapping[Any, Any] | None = None
) -> Any:
    """The network's symbolic output in training; frozen layers compute as in inference.

    Gradients stop where everything below a layer is frozen (or has no parameters):
    nothing there would change. Where outputs of layers are `given`, nothing below is computed.
    """
    from lasagne.layers import InputLayer, InverseLayer, get_all_layers

    if not frozen:
        return symbolic_output(network, network.output)
    layers = get_all_layers(network.output)
    still = without_learning(layers, frozen)

    def needs_gradient(layer: Any, below: Any) -> bool:
        return isinstance(below, InputLayer) or isinstance(layer, InverseLayer)

    outputs: dict[Any, Any] = dict(given or {})
    for layer in layers:
        if layer in outputs or (given and any(each not in outputs for each in inputs_of(layer))):
            continue
        if isinstance(layer, InputLayer):
            outputs[layer] = layer.input_var
            continue
        inputs = [
            _barrier(outputs[below])
            if below in still and layer not in still and not needs_gradient(layer, below)
            else outputs[below]
            for below in inputs_of(layer)
        ]
        outputs[layer] = layer.get_output_for(
            inputs if hasattr(layer, "input_layers") else inputs[0],
            deterministic=layer.name in frozen,
        )
    return outputs[network.output]


def inputs_of(layer: Any) -> list[Any]:
    """The layers that a layer stands on; none for an input."""
    return list(getattr(layer, "input_layers", None) or [getattr(layer, "input_layer", None)])


def without_learning(layers: Sequence[Any], frozen: Sequence[str]) -> set[Any]:
    """The layers that learn nothing, and stand on layers that learn nothing."""
    still: set[Any] = set()
    for layer in layers:
        learns = bool(layer.get_params(trainable=True)) and layer.name not in frozen
        is_input = not hasattr(layer, "input_layers") and not hasattr(layer, "input_layer")
        if not learns and (is_input or all(each in still for each in inputs_of(layer))):
            still.add(layer)
    return still


def _barrier(output: Any) -> Any:
    from pytensor.gradient import disconnected_grad

    return disconnected_grad(output)
