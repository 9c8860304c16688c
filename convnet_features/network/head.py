"""Where a network's features end, and its predictions begin."""

from __future__ import annotations

from .build import Network

__all__ = ["head", "last_features"]


def head(network: Network) -> list[str]:
    """The layers that make predictions of features: the last one with weights, and all above it.

    Weights are a parameter of at least two dimensions: a bias, or a batch
    normalisation on top of the last dense layer, only completes the prediction.

    Returns
    -------
    list of str
        From the layer with weights to the output; without weights, the output alone.
    """
    names = _names(network)
    for start in reversed(range(len(names))):
        params = network.layers[names[start]].params
        if any(param.ndim >= 2 for param in params):
            return names[start:]
    return names[-1:]


def last_features(network: Network) -> str | None:
    """The last layer below the head that computes something, of known size, of each image.

    Dropout and noise pass their inputs on when nothing is trained, so the layer below
    them has the same outputs, and a name that says more.

    Returns
    -------
    str or None
        None where the head stands on the images.
    """
    from lasagne.layers import DropoutLayer, GaussianNoiseLayer, InputLayer

    below = _names(network)[: -len(head(network))]
    idle = (InputLayer, DropoutLayer, GaussianNoiseLayer)
    for name in reversed(below):
        layer = network.layers[name]
        if not isinstance(layer, idle) and None not in layer.output_shape[1:]:
            return name
    return None


def _names(network: Network) -> list[str]:
    """The names of the layers that the output stands on, inputs first, the output last."""
    from lasagne.layers import get_all_layers

    names = {id(layer): name for name, layer in network.layers.items()}
    # A list may have a layer stand on one that was built before, and has no name in it.
    return [names[id(layer)] for layer in get_all_layers(network.output) if id(layer) in names]
