"""Which number of a prediction a display explains."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..validation import most_probable

__all__ = ["chosen_columns", "known_classes", "scores"]


def scores(estimator: Any, X: Any) -> np.ndarray:
    """What an estimator thinks of every class, or predicts.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
        Probabilities where it has them, else its decision function (two
        columns for two classes), else its predictions.
    """
    for method in ("predict_proba", "decision_function", "predict"):
        if hasattr(estimator, method):
            given = getattr(estimator, method)(X)
            break
    else:
        raise TypeError(
            f"{type(estimator).__name__} has none of predict_proba, decision_function and predict."
        )
    if isinstance(given, list) and method == "predict_proba":
        return _of_labels(estimator, given)
    values = np.asarray(given, dtype=np.float64)
    if values.ndim == 1:
        both = method == "decision_function"
        return np.stack([-values, values] if both else [values], axis=1)
    return values


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
