"""X, y and weights together, as `fit` is given them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..network.inputs import Inputs, InputShape
from ..network.on_demand import ImagesOnDemand
from .images import check_scaled_images
from .inputs import check_samples
from .targets import Targets, encode_targets
from .weights import check_sample_weight, product_of_weights, weights_of_classes

__all__ = ["FEATURES_IN", "TrainingData", "check_training_data"]

#: The attributes that tell what X a fitted estimator expects.
FEATURES_IN = ("n_features_in_", "feature_names_in_")


@dataclass(frozen=True)
class TrainingData:
    """What `fit` was given, checked.

    Attributes
    ----------
    images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width), or Inputs
        Of X's own dtype. Samples of weight 0 are not among them.
    all_images : ndarray or ImagesOnDemand, of shape (n_rows, n_channels, height, width), or Inputs
        With the samples of weight 0.
    input_shape : (int, int, int), tuple or dict
        (channels, height, width); of other inputs, the shape of a sample.
    targets : Targets
    weights : ndarray of shape (n_samples,), or None
        float64, all positive.
    features_in : dict
        ``n_features_in_`` and ``feature_names_in_`` of a fitted estimator.
    validation : (images, Targets), or None
        What to validate with, of this size of images and in this encoding.
    """

    images: np.ndarray | ImagesOnDemand | Inputs
    all_images: np.ndarray | ImagesOnDemand | Inputs
    input_shape: Any
    targets: Targets
    weights: np.ndarray | None
    features_in: dict[str, Any]
    validation: tuple[np.ndarray | ImagesOnDemand | Inputs, Targets] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def check_scaled(self, name: str, scale: float) -> None:
        """Check that all pixels times `scale` are numbers of float32.

        Raises
        ------
        ValueError
            If one is too large.
        """
        check_scaled_images(name, self.images, scale)
        if self.validation is not None:
            with _errors_of_validation():
                check_scaled_images(name, self.validation[0], scale)


def check_training_data(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    target: str,
    classes: np.ndarray | None = None,
    like: Targets | None = None,
    reset: bool = True,
    X_val: Any = None,
    y_val: Any = None,
) -> TrainingData:
    """X, y and weights for training, and data to validate with; the estimator stays as it is.

    Parameters
    ----------
    estimator : BaseEstimator
        With the parameters `input_shape` and `class_weight`.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), or None
    target : {'auto', 'discrete', 'classes', 'numbers', 'labels'}
        What y may be.
    classes : ndarray of shape (n_classes,), optional
        All classes there are; those of y if not given.
    like : Targets, optional
        An encoding to follow: of the network that training is to go on with.
    reset : bool, default=True
        Whether X may have other features than before.
    X_val, y_val : array-like of the shapes of X and y, optional
        What to validate with: both, or none.

    Returns
    -------
    TrainingData

    Raises
    ------
    ValueError
        If X, y, the weights or the validation data are not what they must be.
    """
    name = type(estimator).__name__
    taken = _stand_in(estimator, {})
    if reset:
        vars(taken).pop("feature_names_in_", None)
    expected: InputShape | None = estimator.input_shape if reset else estimator.input_shape_
    images, input_shape = check_samples(taken, X, expected, reset=reset)
    all_images = images
    weights = check_sample_weight(images, sample_weight)
    counts = None if weights is None or np.ptp(weights) == 0 else weights
    targets = encode_targets(
        name, y, target, len(images), classes=classes, weights=counts, like=like
    )
    features_in = {key: vars(taken)[key] for key in FEATURES_IN if key in vars(taken)}
    if estimator.class_weight is not None:
        balance = weights_of_classes(estimator.class_weight, targets, weights)
        weights = balance if weights is None else product_of_weights(weights, balance)
    if weights is not None and not weights.all():
        # A sample of weight 0 is absent: from the held-out rows and from every automatic rule too.
        present = np.flatnonzero(weights)
        images, weights = images[present], weights[present]
        targets = replace(targets, values=targets.values[present])
    data = TrainingData(images, all_images, input_shape, targets, weights, features_in)
    return replace(data, validation=_validation_data(estimator, data, X_val, y_val))


def _validation_data(
    estimator: Any, data: TrainingData, X: Any, y: Any
) -> tuple[np.ndarray | ImagesOnDemand | Inputs, Targets] | None:
    """X and y to validate with, as `data` has them; None if there are none."""
    if X is None and y is None:
        return None
    if X is None or y is None:
        given, missing = ("X_val", "y_val") if y is None else ("y_val", "X_val")
        raise ValueError(f"{given} needs {missing}.")
    taken = _stand_in(estimator, data.features_in)
    kind, name = data.targets.kind, type(estimator).__name__
    with _errors_of_validation():
        images, _ = check_samples(taken, X, data.input_shape, reset=False)
        return images, encode_targets(name, y, kind, len(images), like=data.targets)


@contextmanager
def _errors_of_validation() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"The validation data (X_val, y_val): {error}") from error


def _stand_in(estimator: Any, attributes: dict[str, Any]) -> Any:
    """A copy of `estimator` that ``validate_data`` may write its findings to."""
    copy = object.__new__(type(estimator))
    vars(copy).update(vars(estimator), **attributes)
    return copy
