"""y as a network's target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from ..exceptions import NotANumberError
from ..kernels.magnitude import are_finite, magnitude
from ..network.build import Target
from .meaning import (
    holds_one_hot_rows,
    holds_zeros_and_ones,
    meaning,
    warn_of_another_meaning,
)
from .plain import plain_target

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
        None where numbers are not standardised.
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
        """The encoding without the values: all that decoding predictions needs."""
        return replace(self, values=None)

    @property
    def known_classes(self) -> np.ndarray | None:
        """The attribute ``classes_``: as scikit-learn has it, labels are numbered by column."""
        return np.arange(self.n_outputs) if self.kind == "labels" else self.classes

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

    def as_given(self, values: np.ndarray) -> np.ndarray:
        """Encoded targets as y is: classes, 1 for each label, or numbers on y's own scale."""
        if self.classes is not None:
            return self.classes[values]
        if self.kind == "labels":
            return values.astype(np.int64)
        numbers = self.scores(values)
        return numbers[:, 0] if self.one_dimensional else numbers

    def compared(self, name: str, y: Any) -> np.ndarray:
        """y as `predictions` are: one class for each row with exactly one 1."""
        y = plain_target(name, y)
        if self.kind == "classes" and holds_one_hot_rows(y):
            return y.argmax(axis=1)
        return y


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
    """Check that outputs are not NaN before anything is read from them.

    Raises
    ------
    NotANumberError
        If there is one; the text counts the rows, and names the first.
    """
    strange: np.ndarray = np.isnan(outputs).any(axis=tuple(range(1, outputs.ndim)))
    if strange.any():
        raise NotANumberError(
            f"The network's outputs are not numbers (NaN) for {np.count_nonzero(strange)} of "
            f"{len(outputs)} samples, the first of which is number {int(np.argmax(strange))}: no "
            "class can be named. Either parameters are not finite, or numbers became too large for "
            "float32 on their way; look at the layers with get_output, and fit again."
        )


def encode_targets(
    name: str,
    y: Any,
    target: str,
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
    target : {'auto', 'discrete', 'classes', 'numbers', 'labels'}
        What y means. 'auto' leaves it to scikit-learn's `type_of_target`; so
        does 'discrete', which rules out numbers.
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
        If y is missing, has another length, holds NaN, one class only, or
        something else than `target` says.

    Warns
    -----
    ConvNetFeaturesWarning
        If y could have another meaning, and nothing says which is meant.
    """
    if y is None:
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None. The network learns its "
            "features from labels."
        )
    y = plain_target(name, y)
    if len(y) != n_samples:
        raise ValueError(
            f"{name}: X and y have different lengths: inconsistent numbers of samples: "
            f"{n_samples} in X, {len(y)} in y."
        )
    if like is not None:
        return _encode_like(name, y, like)
    understood = meaning(name, y, target)
    warn_of_another_meaning(name, y, target, understood, classes_given=classes is not None)
    if understood == "classes":
        return _encode_classes(name, y, classes)
    if understood == "labels":
        return _encode_labels(name, y, classes)
    if classes is not None:
        raise ValueError(f"{name}: classes={classes.tolist()} are given, and y holds numbers.")
    return _encode_numbers(name, _as_numbers(name, y), y.ndim == 1, weights)


def _encode_like(name: str, y: np.ndarray, like: Targets) -> Targets:
    if like.kind == "classes":
        return _encode_classes(name, y, like.classes)
    n_columns = 1 if y.ndim == 1 else y.shape[1]
    if n_columns != like.n_outputs:
        raise ValueError(
            f"{name}: y has {n_columns} columns, and the network gives {like.n_outputs} "
            f"{like.kind}: give as many columns. For another y (classes, say), "
            "ConvNetClassifier(pretrained=...) or ConvNetRegressor(pretrained=...) takes this "
            "network over with an output layer of its own."
        )
    if like.kind == "labels":
        return _encode_labels(name, y.reshape(len(y), -1))
    return _encode_numbers(name, _as_numbers(name, y), y.ndim == 1, like=like)


def _encode_classes(name: str, y: np.ndarray, known: np.ndarray | None) -> Targets:
    column, known = _one_column(name, y, known)
    if column.dtype.kind == "f" and (column != np.floor(column)).any():
        raise ValueError(
            f"{name}: Unknown label type: continuous. y holds numbers that are not whole, and "
            "classes are learnt; set target='numbers' or use ConvNetRegressor to predict numbers."
        )
    classes, codes = np.unique(column, return_inverse=True)
    if known is not None:
        strange = [each for each in classes.tolist() if each not in set(known.tolist())]
        if strange:
            raise ValueError(
                f"{name}: y holds classes that are not among the known ones: {strange}; known are "
                f"{known.tolist()}."
            )
        order = np.argsort(known)  # others' classes need not be sorted
        codes, classes = order[np.searchsorted(known, column, sorter=order)], known
    if len(classes) < 2:
        raise ValueError(_TOO_FEW.format(name=name, label=classes.tolist()[0]))
    return Targets("classes", codes.astype(np.int32), len(classes), classes=classes)


def _one_column(
    name: str, y: np.ndarray, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """One class a sample, and all classes; a one-hot row stands for the number of its column."""
    if y.ndim == 1 or y.shape[1] == 1:
        return column_or_1d(y, warn=True), known
    columns = np.arange(y.shape[1])
    if not holds_one_hot_rows(y):
        raise ValueError(
            f"{name}: y has {len(columns)} columns, and one class a sample is learnt; give one "
            "column of classes, or rows of 0 with exactly one 1."
        )
    if known is not None and not np.array_equal(known, columns):
        raise ValueError(
            f"{name}: the rows of y have one 1 in {len(columns)} columns, and the known classes "
            f"are {known.tolist()}; give one column of these."
        )
    return y.argmax(axis=1), columns


def _encode_labels(name: str, y: np.ndarray, classes: np.ndarray | None = None) -> Targets:
    if y.ndim == 1:
        raise ValueError(
            f"{name}: y has one dimension, and target='labels' needs a matrix of 0 and 1, one "
            "column a label; of a single label, give y.reshape(-1, 1)."
        )
    n_labels = y.shape[1]
    if not holds_zeros_and_ones(y):
        values = np.unique(y)
        found = " and ".join(map(str, values.tolist())) if len(values) == 2 else "other values"
        remedy = f" Give (y == {values.tolist()[-1]}).astype(int)." if len(values) == 2 else ""
        raise ValueError(f"{name}: labels must be a matrix of 0 and 1; y holds {found}.{remedy}")
    if classes is not None and not np.array_equal(classes, np.arange(n_labels)):
        raise ValueError(
            f"{name}: classes={classes.tolist()}, and y is a matrix of {n_labels} labels, whose "
            f"classes are the numbers of its columns, 0 to {n_labels - 1}."
        )
    return Targets("labels", y.astype(np.float32), n_labels, one_dimensional=False)


def _as_numbers(name: str, y: np.ndarray) -> np.ndarray:
    """float64 of shape (n_samples, n_outputs)."""
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}: y holds {y.flat[0]!r}, and numbers are predicted; give numbers, or use "
            "ConvNetClassifier."
        )
    return y.reshape(len(y), -1).astype(np.float64)


def _encode_numbers(
    name: str,
    values: np.ndarray,
    one_dimensional: bool,
    weights: np.ndarray | None = None,
    like: Targets | None = None,
) -> Targets:
    if like is not None:
        offset, scale = like.offset, like.scale
    else:
        offset, scale = _standard(values, weights)
    with np.errstate(over="ignore"):
        # A network that was read from elsewhere gives numbers as they are.
        standard = values if scale is None else (values - offset) / scale
        standardised = standard.astype(np.float32)
    if not are_finite(standardised):
        if scale is None:
            raise ValueError(
                f"{name}: y holds {magnitude(values):g}, which is too large for the "
                "float32 numbers that the network gives. Give it its right value, or divide y."
            )
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
