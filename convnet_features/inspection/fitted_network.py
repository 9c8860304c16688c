"""The network in whatever the user has: an estimator, a Pipeline, a finished search, a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_array, check_is_fitted

from ..network.features import feature_layers
from ..network.head import last_features
from ..network.model import Model
from ..validation import check_scaled_images, infer_input_shape
from ..validation.images import check_range
from ..validation.layout import channels_first

__all__ = [
    "FittedNetwork",
    "as_batch",
    "find_fitted_network",
    "find_layer",
    "flat_steps",
    "image_view",
    "in_form",
    "is_layer",
    "last_step",
    "layer_output",
    "like",
]


@dataclass(frozen=True)
class FittedNetwork:
    """A fitted network, and what stands before it.

    Attributes
    ----------
    net : estimator
        Fitted: one of ours, or nolearn's NeuralNet.
    before : Pipeline or None
        The steps that data pass on their way to the network.
    behind : Pipeline or None
        The steps that take its features.
    """

    net: Any
    before: Pipeline | None = None
    behind: Pipeline | None = None

    @property
    def model(self) -> Model:
        """The network with its parameters."""
        current = getattr(self.net, "_current_model", None)  # which nolearn's has not
        return self.net._model if current is None else current()

    @property
    def classes(self) -> np.ndarray | None:
        """The classes that the network's outputs stand for; None for numbers and labels."""
        return getattr(self.net, "classes_", None) if self.model.target == "classes" else None

    @property
    def feature_layers(self) -> list[str]:
        """The layers that ``transform`` gives; without it, the one that the output stands on.

        Where the output stands on the images, it is the output itself.
        """
        if not hasattr(self.net, "feature_layer"):  # nolearn's
            return [self.net.network_.input_layer.name]
        network, chosen = self.model.network, self.net.feature_layer
        if chosen is None and last_features(network) is None:
            return [network.output.name]
        return feature_layers(network, chosen)

    def images(self, X: Any) -> np.ndarray:
        """X as it reaches the network: images of shape (n_samples, channels, height, width).

        The pixels may come in any form, whatever the form that was fitted; one
        image becomes a batch of one.

        Raises
        ------
        ValueError
            If the network has several inputs, or X is not what it must be.
        """
        shape = self.net.input_shape_
        if isinstance(shape, dict):
            raise ValueError(
                f"the network has the inputs {', '.join(map(repr, shape))}; displays are of images."
            )
        reaching = as_batch(X, shape) if self.before is None else self.before.transform(X)
        layout = getattr(self.net, "data_format", "channels_first")
        checked = channels_first("X", checked_images(reaching), layout, shape)
        check_scaled_images("X", checked, self.model.input_scale)
        if math.prod(checked.shape[1:]) != math.prod(shape):
            return self.net._images(reaching)  # which says what is wrong
        return checked.reshape(len(checked), *shape)

    def image(self, X: Any) -> np.ndarray:
        """The same of a single image, of shape (1, channels, height, width)."""
        images = self.images(X)
        if len(images) != 1:
            raise ValueError(f"X holds {len(images)} images; this shows one: pass X[:1], say.")
        return images

    def output(self, name: str, images: np.ndarray) -> np.ndarray:
        """A layer's output for what `images` gave, of shape (n_samples, ...)."""
        if name not in self.model.network.layers:
            raise ValueError(
                f"there is no layer {name!r}; the network has "
                f"{', '.join(self.model.network.layers)}."
            )
        return self.model.outputs([name], images)[0]

    def features(self, images: np.ndarray, layer: str | None = None) -> np.ndarray:
        """Flat activations of a layer, or of the feature layers side by side.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        names = self.feature_layers if layer is None else [layer]
        outputs = [self.output(name, images).reshape(len(images), -1) for name in names]
        return np.concatenate(outputs, axis=1)


def checked_images(X: Any) -> np.ndarray:
    """X as an array of numbers that float32 holds; of no shape in particular."""
    checked = check_array(X, ensure_2d=False, allow_nd=True, input_name="X")
    check_range("X", checked)
    return checked


def find_fitted_network(estimator: Any) -> FittedNetwork:
    """The fitted network in `estimator`.

    Parameters
    ----------
    estimator : estimator, Pipeline, FrozenEstimator or search
        A Pipeline may have the network at any step, or within a Pipeline that is
        one; a search gives its best estimator.

    Returns
    -------
    FittedNetwork

    Raises
    ------
    TypeError
        If there is no network in it.
    ValueError
        If a Pipeline has several networks.
    NotFittedError
        If the network was not fitted.
    """
    estimator = _opened(estimator)
    if isinstance(estimator, Pipeline):
        return _find_in_steps(flat_steps(estimator))
    if not _is_network(estimator):
        raise TypeError(
            f"there is no network in {type(estimator).__name__}; give a ConvNetFeatureExtractor, "
            "ConvNetClassifier or ConvNetRegressor, or a Pipeline with one among its steps."
        )
    check_is_fitted(estimator)
    return FittedNetwork(estimator)


def flat_steps(estimator: Any) -> list[tuple[str, Any]]:
    """The steps of a Pipeline, with those of Pipelines within in their place.

    Searches and frozen estimators are opened. Any other estimator is its only step.

    Returns
    -------
    list of (str, estimator)
        Steps within are called as scikit-learn calls their parameters:
        ``outer__inner``.
    """
    estimator = _opened(estimator)
    if not isinstance(estimator, Pipeline):
        return [("", estimator)]
    return [
        ("__".join(filter(None, (name, within))), each)
        for name, step in estimator.steps
        for within, each in flat_steps(step)
    ]


def last_step(estimator: Any) -> Any:
    """What predicts at the end of an estimator: of a Pipeline, its last step."""
    return flat_steps(estimator)[-1][1]


def _opened(estimator: Any) -> Any:
    """What a search found, or what is frozen."""
    if hasattr(estimator, "best_estimator_"):
        return _opened(estimator.best_estimator_)
    if isinstance(estimator, FrozenEstimator):
        return _opened(estimator.estimator)
    return estimator


def _find_in_steps(steps: list[tuple[str, Any]]) -> FittedNetwork:
    found = [position for position, (_, step) in enumerate(steps) if _is_network(step)]
    if len(found) != 1:
        names = ", ".join(repr(name) for name, _ in steps)
        many = "several networks" if found else "no network"
        kind = ValueError if found else TypeError
        raise kind(
            f"the Pipeline has {many} among its steps ({names}); give one with one, or the "
            "estimator itself."
        )
    position = found[0]
    fitted = find_fitted_network(steps[position][1])
    before = Pipeline(steps[:position]) if position else None
    behind = Pipeline(steps[position + 1 :]) if position + 1 < len(steps) else None
    return FittedNetwork(fitted.net, before, behind)


def _is_network(estimator: Any) -> bool:
    """By what displays ask for, fitted or not: nolearn's NeuralNet is no relative of the others."""
    return all(hasattr(type(estimator), name) for name in ("layers_", "network_", "get_output"))


def as_batch(X: Any, input_shape: tuple[int, ...]) -> Any:
    """A single image (its shape, its pixels as one row, or height×width) becomes a batch of one."""
    shape = np.shape(X)
    single = [tuple(input_shape), (math.prod(input_shape),)]
    if input_shape[0] == 1:
        single.append(tuple(input_shape[1:]))
    return np.asarray(X)[np.newaxis] if shape in single else X


def image_view(fitted: FittedNetwork, X: np.ndarray) -> np.ndarray:
    """X as images (n_samples, channels, height, width), which other steps may resize."""
    expected = fitted.net.input_shape_
    if math.prod(X.shape[1:]) != math.prod(expected):
        expected = None
    layout = getattr(fitted.net, "data_format", "channels_first")
    X = channels_first("X", X, layout, expected)
    return X.reshape(len(X), *(expected or infer_input_shape(X.shape)))


def in_form(images: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Images (n, channels, height, width) in the form of X: flat, of one channel, channels last."""
    if X.ndim == 4 and images.shape[1:] != X.shape[1:]:
        images = np.moveaxis(images, 1, -1)
    return images.reshape(len(images), *X.shape[1:])


def like(given: Any, rows: np.ndarray) -> Any:
    """Rows as a frame where the user gave one: steps in front may ask for columns by name."""
    if not hasattr(given, "columns"):
        return rows
    name = "schema" if type(given).__module__.startswith("polars") else "columns"
    return type(given)(rows, **{name: list(given.columns)})


def is_layer(candidate: Any) -> bool:
    """Whether this is a Lasagne layer."""
    return hasattr(candidate, "output_shape") and hasattr(candidate, "get_params")


def find_layer(estimator: Any, name: str | None, wanted: Any, what: str) -> Any:
    """A layer of a network by name, or the first that is as wanted; or the layer that was given.

    Parameters
    ----------
    estimator : estimator, Pipeline or Lasagne layer
    name : str or None
    wanted : callable
        From a Lasagne layer to whether it is of the kind.
    what : str
        What errors call the kind.
    """
    if is_layer(estimator):
        candidates = {estimator.name or type(estimator).__name__: estimator}
        name = next(iter(candidates))
    else:
        candidates = find_fitted_network(estimator).net.layers_
    suitable = [each for each, layer in candidates.items() if wanted(layer)]
    if name is None and suitable:
        name = suitable[0]
    if name not in suitable:
        asked = "no layer" if name is None else f"{name!r} is no layer"
        there = f"; with them are {', '.join(suitable)}" if suitable else ""
        raise ValueError(f"layer: {asked} with {what}{there}.")
    return candidates[name]


def layer_output(layer: Any, batch: np.ndarray) -> np.ndarray:
    """The deterministic output of a Lasagne layer that no estimator is given with."""
    import theano
    from lasagne.layers import InputLayer, get_all_layers, get_output

    inputs = [each.input_var for each in get_all_layers(layer) if isinstance(each, InputLayer)]
    function = theano.function(inputs, get_output(layer, deterministic=True))
    return np.asarray(function(np.asarray(batch, dtype=np.float32)))
