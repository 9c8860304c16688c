"""A network of another estimator's, taken over with an output layer for another y."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from ..network.head import head
from ..network.model import Model
from ..network.spec import LayerSpec

__all__ = ["check_pixels", "network_to_take_over", "with_new_head", "without_head"]


def network_to_take_over(estimator: Any) -> Model | None:
    """The model of ``pretrained``, where it has layers of its own and the estimator has none.

    Parameters
    ----------
    estimator : BaseConvNet

    Returns
    -------
    Model or None
    """
    source = _source(estimator)
    model = getattr(source, "_model", None)
    if estimator.layers is not None or not isinstance(model, Model):
        return None
    # None is the default network, whose layers the estimator has as well.
    declared = isinstance(model.layers, list) and getattr(source, "layers", None) is not None
    return model if declared else None


def check_pixels(estimator: Any, images: Any) -> None:
    """Warn of pixels that were scaled before a network that is taken over, and scales them itself.

    Parameters
    ----------
    estimator : BaseConvNet
    images : ndarray, ImagesOnDemand or Inputs
    """
    preprocessing = getattr(_source(estimator), "preprocessing", None)
    if preprocessing is not None and network_to_take_over(estimator) is not None:
        preprocessing.check_pixels(type(estimator).__name__, images)


def _source(estimator: Any) -> Any:
    source = estimator.pretrained
    return source.estimator if isinstance(source, FrozenEstimator) else source


def with_new_head(model: Model) -> list[LayerSpec]:
    """The layers of a network, with a dense one for any y where it predicted.

    Parameters
    ----------
    model : Model
        Of a list of layers.

    Returns
    -------
    list of LayerSpec
    """
    from lasagne.layers import DenseLayer, GlobalPoolLayer

    network, ends = model.network, _old_head(model)
    declared: Any = model.layers
    kept = [spec for spec in declared if spec.name not in ends]
    last = network.layers[ends[0]].input_layer if ends else network.output
    new = []
    if len(last.output_shape) == 4 and not (ends and _is_dense(network.layers[ends[0]])):
        new.append(LayerSpec(_free("pool", kept), GlobalPoolLayer, {"incoming": last.name}))
    name = ends[0] if ends else _free("output", kept)
    return [*kept, *new, LayerSpec(name, DenseLayer, {} if new else {"incoming": last.name})]


def without_head(model: Model, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of a network but for those of the layers that predict.

    Parameters
    ----------
    model : Model
    arrays : mapping of str to ndarray

    Returns
    -------
    dict of str to ndarray
    """
    ends = _old_head(model)
    return {name: each for name, each in arrays.items() if name.rpartition(".")[0] not in ends}


def _old_head(model: Model) -> list[str]:
    """The layers that predict; none where the network ends with features.

    Features end with a rectifier or another bend, or with means of maps; predictions are sums,
    or probabilities made of them.
    """
    from lasagne.nonlinearities import identity, sigmoid, softmax

    network = model.network
    ends = head(network)
    first, last = network.layers[ends[0]], network.output
    nonlinearity = getattr(last, "nonlinearity", None)
    if _is_dense(first):
        predicts = nonlinearity in (None, identity, sigmoid, softmax)
    else:  # a convolution, whose maps are averaged
        predicts = nonlinearity in (sigmoid, softmax)
    return ends if predicts else []


def _is_dense(layer: Any) -> bool:
    from lasagne.layers import DenseLayer

    return isinstance(layer, DenseLayer)


def _free(name: str, specs: list[LayerSpec]) -> str:
    """A name that no layer has."""
    taken = {spec.name for spec in specs}
    return next(
        each for each in (name, *(f"{name}{i}" for i in range(2, 100))) if each not in taken
    )
