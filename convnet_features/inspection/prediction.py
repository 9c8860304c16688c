"""Which number of a prediction a display explains."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..validation import most_probable
from .fitted_network import last_step

__all__ = [
    "as_columns",
    "check_columns",
    "chosen_columns",
    "known_classes",
    "score_method",
    "scores",
]


def scores(estimator: Any, X: Any) -> np.ndarray:
    """What an estimator thinks of every class, or predicts.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
        Probabilities where it has them, else its decision function (two
        columns for two classes), else its predictions.
    """
    method = score_method(estimator)
    given = getattr(estimator, method)(X)
    if isinstance(given, list) and method == "predict_proba":
        return _of_labels(estimator, given)
    return as_columns(np.asarray(given, dtype=np.float64), method)


def score_method(estimator: Any) -> str:
    """The method that `scores` asks."""
    for method in ("predict_proba", "decision_function", "predict"):
        if hasattr(estimator, method):
            return method
    raise TypeError(
        f"{type(estimator).__name__} has none of predict_proba, decision_function and predict."
    )


def as_columns(values: np.ndarray, method: str) -> np.ndarray:
    """What a method gave, with a column for each class or number."""
    if values.ndim > 1:
        return values
    two_classes = method == "decision_function"
    return np.stack([-values, values] if two_classes else [values], axis=1)


def check_columns(
    name: str,
    estimator: Any,
    values: np.ndarray,
    predicted: Any,
    method: str,
    remedy: str = "Set decision_function_shape='ovr', or use LogisticRegression, say.",
) -> None:
    """That the columns of `values` stand for the classes, one for one.

    Those of `SVC(decision_function_shape="ovo")` stand for pairs of classes: of
    three classes there are three, too.

    Parameters
    ----------
    name : str
        What errors call the display.
    estimator : estimator
    values : ndarray of shape (n_samples, n_columns)
        What `method` gave.
    predicted : array-like of shape (n_samples,)
        What ``estimator.predict`` gave for the same.
    method : {'predict_proba', 'decision_function'}
    remedy : str
        How the text of the error ends.

    Raises
    ------
    ValueError
        If there are more or fewer columns than classes, or the largest one of a
        sample is not the predicted class.
    """
    classes, predicted = known_classes(estimator), np.asarray(predicted)
    if classes is None or predicted.ndim != 1:
        return
    last = last_step(estimator)
    what = f"{name}: {method} of {type(last).__name__} gives"
    if values.shape[1] != len(classes):
        raise ValueError(
            f"{what} {values.shape[1]} columns for {len(classes)} classes; expected one for each "
            f"class. {remedy}"
        )
    if method == "predict_proba" or len(classes) == 2:
        # Its classes may be told apart at another probability, or another score than 0.
        return
    shape = getattr(last, "decision_function_shape", None)
    if shape == "ovo":
        raise ValueError(
            f"{what} a column for each pair of classes (decision_function_shape='ovo'); expected "
            f"one for each class. {remedy}"
        )
    if shape == "ovr":
        return  # Where votes are tied, predict goes by another rule (break_ties=False).
    largest = ~(values < values.max(axis=1, keepdims=True))
    others = ~(largest & (predicted[:, np.newaxis] == np.asarray(classes))).any(axis=1)
    if others.any():
        raise ValueError(
            f"{what} {values.shape[1]} columns, the largest of which is not the predicted class of "
            f"{np.count_nonzero(others)} of {len(values)} samples; expected one column for each "
            f"class, in the order of classes_. {remedy}"
        )


def _of_labels(estimator: Any, probabilities: list[Any]) -> np.ndarray:
    """One column a label, of those who give two for each, as scikit-learn's forests do.

    Raises
    ------
    ValueError
        If it is one class of several that is predicted, several times a sample.
    """
    if any(np.shape(each)[1:] != (2,) for each in probabilities):
        raise ValueError(
            f"{type(estimator).__name__} predicts {len(probabilities)} classes a sample, each of "
            "several; give one of its estimators, for one class a sample: a Pipeline that ends in "
            "estimators_[0], say."
        )
    return np.stack([np.asarray(each, np.float64)[:, 1] for each in probabilities], axis=1)


def known_classes(estimator: Any) -> np.ndarray | None:
    """What the columns of `scores` stand for; None for numbers."""
    classes = getattr(estimator, "classes_", None)
    return np.arange(len(classes)) if isinstance(classes, list) else classes


def chosen_columns(target: Any, classes: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    """The column of `values` that is explained, for each image.

    Parameters
    ----------
    target : array-like of shape (n_samples,), a scalar, or None
        Classes; column numbers where there are no classes, or labels. None is the
        most probable class or label, or the first column of numbers.
    classes : ndarray of shape (n_columns,) or None
    values : ndarray of shape (n_samples, n_columns)

    Returns
    -------
    ndarray of shape (n_samples,)
        int64.
    """
    n_samples, n_columns = values.shape
    if target is None:
        return most_probable(values) if classes is not None else np.zeros(n_samples, np.int64)
    wanted = np.asarray(target)
    if wanted.ndim > 1 or (wanted.ndim == 1 and len(wanted) != n_samples):
        raise ValueError(
            f"target has shape {wanted.shape}; expected one a sample ({n_samples}), or one for all."
        )
    known = np.arange(n_columns) if classes is None else np.asarray(classes)
    strange = np.setdiff1d(wanted, known)
    if len(strange):
        raise ValueError(f"target: {strange.tolist()} not among {known.tolist()}.")
    # Column numbers and np.unique's classes are sorted, so a binary search finds the column.
    return np.broadcast_to(np.searchsorted(known, wanted), n_samples)
