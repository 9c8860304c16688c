"""What stands behind a network in a Pipeline, as slopes of its scores by the features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

__all__ = ["score_slopes"]

#: Numbers of the unit vectors that are asked for at a time.
NUMBERS = 1 << 22
#: What float32 models may be off, as a share of the largest score.
TOLERANCE = 1e-3


def score_slopes(behind: Pipeline, features: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The scores of features, and their slopes, where scores are weighted sums of features.

    So they are of linear models (`LogisticRegression`, `LinearSVC`, `RidgeClassifier`,
    linear regressions), and of these behind scalers, a PCA or a choice of features:
    the slopes are read off the unit vectors, and held against the features.

    Parameters
    ----------
    behind : Pipeline
        Fitted steps, which take features.
    features : ndarray of shape (n_samples, n_features)

    Returns
    -------
    values : ndarray of shape (n_samples, n_scores)
        Scores of the classes, or predicted numbers.
    slopes : ndarray of shape (n_features, n_scores)
        None instead of both where scores are no weighted sums of features.
    """
    features = np.asarray(features, dtype=np.float64)
    n_features = features.shape[1]
    values = _scores(behind, features)
    if values is None:
        return None
    offset = _scores(behind, np.zeros((1, n_features)))
    step = max(1, NUMBERS // n_features)
    slopes = np.concatenate(
        [
            _scores(behind, np.eye(min(step, n_features - start), n_features, start)) - offset
            for start in range(0, n_features, step)
        ]
    )
    for share in (1.0, 0.5, -1.0):
        expected = share * features @ slopes + offset
        scale = max(np.abs(values).max(), np.abs(expected).max())
        if np.abs(_scores(behind, share * features) - expected).max() > TOLERANCE * scale:
            return None
    return values, slopes


def _scores(behind: Pipeline, features: np.ndarray) -> Any:
    """One column for each class or number, or None where there are only probabilities."""
    method = getattr(behind, "decision_function", None)
    if method is None and getattr(behind, "classes_", None) is None:
        method = getattr(behind, "predict", None)
    if method is None:
        return None
    with warnings.catch_warnings():
        # Steps that were fitted to frames speak of names, which change no score.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        values = np.asarray(method(features), dtype=np.float64)
    if values.ndim > 1:
        return values
    two_classes = method.__name__ == "decision_function"
    return np.stack([-values, values] if two_classes else [values], axis=1)
