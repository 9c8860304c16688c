"""From what users pass to what networks take: images, targets, sample weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    column_or_1d,
    validate_data,
)

from .network.build import Target

__all__ = [
    "Targets",
    "TrainingData",
    "automatic_input_scale",
    "check_images",
    "check_training_data",
    "check_validation_data",
    "encode_targets",
    "infer_input_shape",
]

#: The attributes that tell what X a fitted estimator expects.
FEATURES_IN = ("n_features_in_", "feature_names_in_")
_TOO_FEW = "{name}: y holds one class only ({label!r}); at least two classes are needed to train."


@dataclass(frozen=True)
class Targets:
    """An encoded target.

    Attributes
    ----------
    kind : {'classes', 'numbers', 'labels'}
    values : ndarray or None
        int32 of shape (n_samples,) for classes, otherwise float32 of shape
        (n_samples, n_outputs). Numbers are standardised: (y - offset) / scale.
    n_outputs : int
    classes : ndarray or None
        The labels that codes stand for.
    offset, scale : ndarray of shape (n_outputs,), or None
    one_dimensional : bool
        Whether y had one dimension.
    """

    kind: Target
    values: Any
    n_outputs: int
    classes: np.ndarray | None = None
    offset: np.ndarray | None = None
    scale: np.ndarray | None = None
    one_dimensional: bool = True

    def without_values(self) -> Targets:
        """What is needed to make sense of predictions: everything but the values."""
        return replace(self, values=None)

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """The output layer's activations: probabilities, or numbers on y's own scale."""
        return outputs if self.scale is None else outputs * self.scale + self.offset

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The most probable class, the number, or 1 for each label above one half."""
        if self.classes is not None:
            return self.classes[outputs.argmax(axis=1)]
        if self.kind == "labels":
            return (outputs > 0.5).astype(np.int64)
        numbers = self.scores(outputs)
        return numbers[:, 0] if self.one_dimensional else numbers


@dataclass(frozen=True)
class TrainingData:
    """What `fit` was given, checked.

    Attributes
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width)
        Of X's own dtype. Samples of weight 0 are not among them.
    input_shape : (int, int, int)
        (channels, height, width).
    targets : Targets
    weights : ndarray of shape (n_samples,), or None
        float64, all positive.
    features_in : dict
        ``n_features_in_`` and ``feature_names_in_`` of a fitted estimator.
    """

    images: np.ndarray
    input_shape: tuple[int, int, int]
    targets: Targets
    weights: np.ndarray | None
    features_in: dict[str, Any]

    def __len__(self) -> int:
        return len(self.images)


def check_training_data(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    kind: str,
    classes: np.ndarray | None = None,
    like: Targets | None = None,
    reset: bool = True,
) -> TrainingData:
    """X, y and weights for training; the estimator stays as it is.

    Parameters
    ----------
    estimator : BaseEstimator
        With the parameters `input_shape` and `class_weight`.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), or None
    kind : {'auto', 'classes', 'numbers'}
        What y may be.
    classes : ndarray of shape (n_classes,), optional
        All classes there are; those of y if not given.
    like : Targets, optional
        An encoding to follow: of the network that training is to go on with.
    reset : bool, default=True
        Whether X may have other features than before.

    Returns
    -------
    TrainingData

    Raises
    ------
    ValueError
        If X, y or the weights are not what they must be.
    """
    name = type(estimator).__name__
    taken = _stand_in(estimator, {})
    if reset:
        vars(taken).pop("feature_names_in_", None)
    expected = estimator.input_shape if reset else estimator.input_shape_
    images, input_shape = check_images(taken, X, expected, reset=reset)
    weights = _check_sample_weight_of(images, sample_weight)
    counts = None if weights is None or np.ptp(weights) == 0 else weights
    targets = encode_targets(name, y, kind, len(images), classes=classes, weights=counts, like=like)
    features_in = {key: vars(taken)[key] for key in FEATURES_IN if key in vars(taken)}
    if weights is not None and not weights.all():
        # To weigh nothing is to be absent, from the held-out rows and every automatic rule too.
        present = np.flatnonzero(weights)
        images, weights = images[present], weights[present]
        targets = replace(targets, values=targets.values[present])
    if estimator.class_weight is not None:
        balance = _class_weights(estimator.class_weight, targets, weights)
        weights = balance if weights is None else weights * balance
    return TrainingData(images, input_shape, targets, weights, features_in)


def check_validation_data(
    estimator: Any, data: TrainingData, X: Any, y: Any
) -> tuple[np.ndarray, Targets]:
    """X and y to validate with, as `data` has them: of its size of images, in its encoding.

    Parameters
    ----------
    estimator : BaseEstimator
    data : TrainingData
        What will be trained on.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    images : ndarray of shape (n_samples, n_channels, height, width)
    targets : Targets

    Raises
    ------
    ValueError
        If one of the two is missing, or something does not fit `data`.
    """
    if X is None or y is None:
        given, missing = ("X_val", "y_val") if y is None else ("y_val", "X_val")
        raise ValueError(f"{given} needs {missing}.")
    taken = _stand_in(estimator, data.features_in)
    kind, name = data.targets.kind, type(estimator).__name__
    try:
        images, _ = check_images(taken, X, data.input_shape, reset=False)
        return images, encode_targets(name, y, kind, len(images), like=data.targets)
    except ValueError as error:
        raise ValueError(f"The validation data (X_val, y_val): {error}") from error


def _stand_in(estimator: Any, attributes: dict[str, Any]) -> Any:
    """A copy of `estimator` that ``validate_data`` may write its findings to."""
    copy = object.__new__(type(estimator))
    vars(copy).update(vars(estimator), **attributes)
    return copy


def check_images(
    estimator: Any, X: Any, input_shape: tuple[int, ...] | None, *, reset: bool
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """X as images (n_samples, channels, height, width), a view of X wherever NumPy can make one.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set (`reset`) or
        compared.
    X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
            (n_samples, channels, height, width)
    input_shape : (int, int, int) or None
        (channels, height, width); None infers it.
    reset : bool
        True in `fit`.

    Returns
    -------
    images : ndarray of shape (n_samples, channels, height, width)
        Of X's own dtype, if that is numeric.
    input_shape : (int, int, int)

    Raises
    ------
    ValueError
        If X is empty, has another number of dimensions, NaN or infinity, or
        images of another size; the text says what came and what was expected.
    """
    _check_numeric(type(estimator).__name__, X)
    if not reset:
        _check_rank(estimator, X, input_shape)
    X = validate_data(
        estimator, X, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1
    )
    if input_shape is None:
        input_shape = infer_input_shape(X.shape)
    images = _as_images(type(estimator).__name__, X, input_shape)
    _, channels, height, width = images.shape
    return images, (channels, height, width)


def _check_numeric(name: str, X: Any) -> None:
    """Arrays of objects pass if every object is a number."""
    if getattr(X, "dtype", None) != np.dtype(object):
        return
    try:
        np.asarray(X).astype(np.float64)
    except ValueError as error:
        raise ValueError(
            f"{name}: X has dtype object, and not all of it are numbers ({error}); give an array "
            "of a numeric dtype."
        ) from None


def _check_rank(estimator: Any, X: Any, input_shape: tuple[int, ...] | None) -> None:
    """Images of another size are reported as such, before scikit-learn counts channels."""
    shape = getattr(X, "shape", ())
    if len(shape) > 4:
        infer_input_shape(shape)
    if len(shape) < 3 or input_shape is None:
        return
    given = (1, *shape[1:]) if len(shape) == 3 else tuple(shape[1:])
    if given != tuple(input_shape):
        raise ValueError(_other_size(type(estimator).__name__, given, input_shape))


def _other_size(name: str, given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    return (
        f"{name}: X has images of {_size(given)} (channels x height x width), and the network was "
        f"fitted to images of {_size(expected)}; resize the images, or fit again."
    )


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def infer_input_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of images in an array of `shape`.

    4-D is taken as it is; 3-D is one channel; 2-D is a square image if the
    number of columns is a square number, and one row of pixels otherwise.
    """
    match shape:
        case (_, channels, height, width):
            return channels, height, width
        case (_, height, width):
            return 1, height, width
        case (_, columns):
            side = math.isqrt(columns)
            return (1, side, side) if side * side == columns else (1, 1, columns)
    raise ValueError(
        f"X has {len(shape)} dimensions; expected 2 (n_samples, n_features), "
        "3 (n_samples, height, width) or 4 (n_samples, channels, height, width)."
    )


def _as_images(name: str, X: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    if len(input_shape) != 3 or any(int(size) < 1 for size in input_shape):
        raise ValueError(
            f"{name}: input_shape must be (channels, height, width), each at least 1; "
            f"got {input_shape!r}."
        )
    channels, height, width = (int(size) for size in input_shape)
    if X.ndim == 2:
        if X.shape[1] != channels * height * width:
            raise ValueError(
                f"{name}: X has {X.shape[1]} features, and input_shape {_size(tuple(input_shape))} "
                f"needs {channels * height * width}; give another input_shape, or none."
            )
        return X.reshape(len(X), channels, height, width)
    given = infer_input_shape(X.shape)
    if given != (channels, height, width):
        raise ValueError(_other_size(name, given, (channels, height, width)))
    return X.reshape(len(X), channels, height, width)


def automatic_input_scale(images: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The power of two that pixels are multiplied by, so that their scale does not matter.

    1 where the root mean square of the training pixels lies in [¼, 2); else
    the power of two that brings it into [½, 1). Powers of two are exact in
    floating point, so X / 16, say, trains the same network to the bit.

    Parameters
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width)
        A thousand of them, evenly spaced, are looked at.
    weights : ndarray of shape (n_samples,), optional
        How often each counts.

    Returns
    -------
    float
    """
    chosen = slice(None, None, max(1, len(images) // 1000))
    sample = images[chosen][:1000].astype(np.float64)
    if not sample.size:
        return 1.0
    squares = np.square(sample).reshape(len(sample), -1).mean(axis=1)
    rms = math.sqrt(
        np.average(squares, weights=None if weights is None else weights[chosen][:1000])
    )
    if rms == 0.0 or 0.25 <= rms < 2.0 or not math.isfinite(rms):
        return 1.0
    _, exponent = math.frexp(rms)  # rms = m · 2**exponent with ½ ≤ m < 1
    return 2.0**-exponent


def encode_targets(
    name: str,
    y: Any,
    kind: str,
    n_samples: int,
    *,
    classes: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    like: Targets | None = None,
) -> Targets:
    """y as a network's target.

    Parameters
    ----------
    name : str
        What errors call the estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    kind : {'auto', 'classes', 'numbers'}
        'auto' takes floats as numbers, a 0/1 matrix as labels, and anything
        else as classes. 'classes' admits labels too.
    n_samples : int
        The length of X.
    classes : ndarray of shape (n_classes,), optional
        All classes there are, sorted; those of y if not given.
    weights : ndarray of shape (n_samples,), optional
        How often each number counts in the mean and deviation that
        standardise them.
    like : Targets, optional
        An encoding to follow.

    Returns
    -------
    Targets

    Raises
    ------
    ValueError
        If y is missing, has another length, holds NaN, or one class only.
    """
    if y is None:
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None. The network learns its "
            "features from labels."
        )
    y = _as_array(y)
    if len(y) != n_samples:
        raise ValueError(
            f"{name}: X and y have different lengths: inconsistent numbers of samples: "
            f"{n_samples} in X, {len(y)} in y."
        )
    resolved = like.kind if like is not None else _resolved_kind(y, kind)
    if resolved == "classes":
        return _encode_classes(name, y, like.classes if like is not None else classes)
    values = check_array(
        y.reshape(len(y), -1), dtype=np.float64, input_name="y", ensure_all_finite=True
    )
    if like is not None and values.shape[1] != like.n_outputs:
        raise ValueError(
            f"{name}: y has {values.shape[1]} columns, and the network gives {like.n_outputs} "
            f"{like.kind}."
        )
    one_dimensional = y.ndim == 1
    if resolved == "labels":
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"{name}: y must be a matrix of 0 and 1, as the network was fitted to."
            )
        return Targets("labels", values.astype(np.float32), values.shape[1], one_dimensional=False)
    return _encode_numbers(values, one_dimensional, weights, like)


def _as_array(y: Any) -> np.ndarray:
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    array = np.asarray(y)
    if array.ndim == 0:
        raise ValueError(f"y is a single value ({array!r}); expected one target a sample.")
    return array


def _resolved_kind(y: np.ndarray, kind: str) -> Target:
    if y.ndim > 2:
        raise ValueError(f"y has {y.ndim} dimensions; expected 1 or 2.")
    is_float = y.dtype.kind == "f"
    if kind == "numbers":
        return "numbers"
    if y.ndim == 2 and y.shape[1] > 1:
        numeric = y.dtype.kind in "biuf"
        if numeric and np.isin(np.unique(y), (0, 1)).all():
            return "labels"
        if kind == "auto" and is_float:
            return "numbers"
        check_classification_targets(y)
        raise ValueError(
            f"y has {y.shape[1]} columns and values other than 0 and 1; give one column of "
            "classes, a 0/1 matrix of labels, or floats to predict."
        )
    if kind == "auto" and is_float:
        return "numbers"
    return "classes"


def _encode_classes(name: str, y: np.ndarray, known: np.ndarray | None) -> Targets:
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"{name}: Input y contains NaN or infinity.")
    if type_of_target(y, input_name="y") not in ("binary", "multiclass"):
        check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if known is not None:
        strange = np.setdiff1d(classes, known)
        if len(strange):
            raise ValueError(
                f"{name}: y holds classes that are not among the known ones: {strange.tolist()}; "
                f"known are {known.tolist()}."
            )
        codes, classes = np.searchsorted(known, y), known
    if len(classes) < 2:
        raise ValueError(_TOO_FEW.format(name=name, label=classes.tolist()[0]))
    return Targets("classes", codes.astype(np.int32), len(classes), classes=classes)


def _encode_numbers(
    values: np.ndarray, one_dimensional: bool, weights: np.ndarray | None, like: Targets | None
) -> Targets:
    if like is not None:
        offset, scale = like.offset, like.scale
    else:
        offset = np.average(values, axis=0, weights=weights)
        scale = np.sqrt(np.average(np.square(values - offset), axis=0, weights=weights))
        scale[scale == 0] = 1.0
    return Targets(
        "numbers",
        ((values - offset) / scale).astype(np.float32),
        values.shape[1],
        offset=offset,
        scale=scale,
        one_dimensional=one_dimensional,
    )


def _check_sample_weight_of(images: np.ndarray, sample_weight: Any) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = _check_sample_weight(
        sample_weight, images.reshape(len(images), -1), dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("sample_weight: every weight is 0; there is nothing to learn from.")
    return weights


def _class_weights(
    class_weight: Mapping[Any, float] | str, targets: Targets, weights: np.ndarray | None
) -> np.ndarray:
    """The weight of each sample's class; 'balanced' counts samples as often as they weigh."""
    if targets.classes is None:
        raise ValueError(f"class_weight needs classes to weigh; y holds {targets.kind}.")
    codes, classes = targets.values, targets.classes
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(codes, weights, minlength=len(classes))
        return (totals.sum() / np.count_nonzero(totals) / np.where(totals, totals, 1.0))[codes]
    return compute_sample_weight(class_weight, classes[codes])
