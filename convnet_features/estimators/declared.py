"""The network of an estimator that is not fitted yet."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.exceptions import NotFittedError

from ..network.sketch import sketched
from ..network.summary import network_summary

__all__ = ["declared_summary"]


def declared_summary(estimator: Any) -> str:
    """The summary of the network that `fit` would build for images of the declared size.

    Parameters
    ----------
    estimator : BaseConvNet

    Returns
    -------
    str

    Raises
    ------
    NotFittedError
        Nothing says how large the images are.
    NetworkError
        If the layers do not fit each other or the images.
    ValueError
        If a parameter is not what it must be.
    """
    estimator._validate_params()
    shape = _input_shape(estimator)
    if shape is None:
        raise NotFittedError(
            f"{type(estimator).__name__} has no summary before fit, unless "
            "input_shape=(channels, height, width) says how large the images are."
        )
    layers = estimator._network_layers(shape)
    of_y = _takes_units_from_y(layers)
    # Nothing is counted or shown of the unit that stands for those of y.
    network = sketched(layers, shape, 1 if of_y else None, "classes")
    return network_summary(network, network.output.name if of_y else None)


def _input_shape(estimator: Any) -> Any:
    """(channels, height, width); of several inputs, by the name of each; None if unknown."""
    if estimator.input_shape is not None:
        return tuple(estimator.input_shape)
    shapes = estimator._declared_inputs()
    if any(shape is None or None in shape for shape in shapes.values()):
        return None
    return shapes if len(shapes) > 1 else next(iter(shapes.values()))


def _takes_units_from_y(layers: Any) -> bool:
    from lasagne.layers import DenseLayer

    if callable(layers):
        return "n_outputs" in inspect.signature(layers).parameters
    output = layers[-1]
    return issubclass(output.layer_class, DenseLayer) and "num_units" not in output.params
