"""Which number of a prediction a display explains."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..validation import most_probable

__all__ = ["chosen_columns", "scores"]


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
            values = np.asarray(getattr(estimator, method)(X), dtype=np.float64)
            break
    else:
        raise TypeError(
            f"{type(estimator).__name__} has none of predict_proba, decision_function and predict."
        )
    if values.ndim == 1:
        both = method == "decision_function"
        return np.stack([-values, values] if both else [values], axis=1)
    return values


def chosen_columns(target: Any, classes: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    """The column of `values` that is explained, for each image.

    Parameters
    ----------
    target : array-like of shape (n_samples,), a scalar, or None
        Classes; column numbers where there are no classes. None is the largest
        of the classes, or the first column.
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
