"""y as a network's target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from ..exceptions import NotANumberError
from ..kernels.magnitude import are_finite, magnitude
from ..network.build import Target

__all__ = ["Targets", "encode_targets", "most_probable"]

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
        """The most probable class, the number, or 1 for each label above one half.

        Raises
        ------
        NotANumberError
            If an output that a class or a label is read off is NaN.
        """
        if self.classes is not None:
            return self.classes[most_probable(outputs)]
        if self.kind == "labels":
            check_are_numbers(outputs)
            return (outputs > 0.5).astype(np.int64)
        numbers = self.scores(outputs)
        return numbers[:, 0] if self.one_dimensional else numbers


def most_probable(outputs: np.ndarray) -> np.ndarray:
    """The column of each row's largest output.

    Raises
    ------
    NotANumberError
        If there is a NaN, which NumPy's ``argmax`` takes for the largest.
    """
    check_are_numbers(outputs)
    return outputs.argmax(axis=1)


def check_are_numbers(outputs: np.ndarray) -> None:
    """That nothing is read off NaN.

    Raises
    ------
    NotANumberError
        If there is one; the text counts the rows, and names the first.
    """
    strange = np.isnan(outputs).any(axis=tuple(range(1, outputs.ndim)))
    if strange.any():
        raise NotANumberError(
            f"The network's outputs are not numbers (NaN) for {np.count_nonzero(strange)} of "
            f"{len(outputs)} samples, the first of which is number {int(strange.argmax())}: no "
            "class can be named. Either parameters are not finite, or numbers became too large for "
            "float32 on their way; look at the layers with get_output, and fit again."
        )


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
    return _encode_numbers(name, values, one_dimensional, weights, like)


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
    name: str,
    values: np.ndarray,
    one_dimensional: bool,
    weights: np.ndarray | None,
    like: Targets | None,
) -> Targets:
    if like is not None:
        offset, scale = like.offset, like.scale
    else:
        offset, scale = _standard(values, weights)
    with np.errstate(over="ignore"):
        standardised = ((values - offset) / scale).astype(np.float32)
    if not are_finite(standardised):
        raise ValueError(
            f"{name}: y holds {magnitude(values):g}, which is too large beside the mean "
            f"({np.asarray(offset).tolist()}) and the deviation ({np.asarray(scale).tolist()}) by "
            "which y is standardised: the network learns numbers of float32. Give it its right "
            "value, or divide y."
        )
    return Targets(
        "numbers",
        standardised,
        values.shape[1],
        offset=offset,
        scale=scale,
        one_dimensional=one_dimensional,
    )


def _standard(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; 1 for a column of equal numbers.

    Columns are divided by a power of two first, and weights by the largest: float64 might
    hold neither the squares of very large and very small numbers nor the sums of weights.
    """
    _, exponents = np.frexp(np.abs(values).max(axis=0))
    values = np.ldexp(values, -exponents)
    weights = None if weights is None else weights / weights.max()
    offset = np.average(values, axis=0, weights=weights)
    deviation = np.sqrt(np.average(np.square(values - offset), axis=0, weights=weights))
    scale = np.ldexp(deviation, exponents)
    return np.ldexp(offset, exponents), np.where(scale == 0, 1.0, scale)
