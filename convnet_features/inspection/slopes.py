"""What stands behind a network in a Pipeline, as slopes of its scores by the features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .prediction import as_columns

__all__ = ["of_features", "score_slopes"]

#: Numbers of the unit vectors that are asked for at a time.
NUMBERS = 1 << 22
#: What scores may be off, as a share of what the features change of them.
TOLERANCE = 1e-3
#: What they may be off by rounding, in units in the last place.
ROUNDING = 4.0


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
    eps = np.finfo(np.result_type(values, np.float16)).eps
    values = values.astype(np.float64)
    offset = _scores(behind, np.zeros((1, n_features))).astype(np.float64)
    step = max(1, NUMBERS // n_features)
    slopes = np.concatenate(
        [
            _scores(behind, np.eye(min(step, n_features - start), n_features, start)) - offset
            for start in range(0, n_features, step)
        ]
    )
    # A slope is the difference of two rounded scores, so its error grows with the features.
    lengths = 1.0 + np.linalg.norm(features, axis=1, keepdims=True)
    rounding = ROUNDING * eps * (np.abs(offset) * lengths + np.abs(features) @ np.abs(slopes))
    for share in (1.0, 0.5, -1.0):
        changes = share * features @ slopes
        found = _scores(behind, share * features) - offset
        scale = np.maximum(np.abs(changes), np.abs(found)).max(axis=0)
        if (np.abs(found - changes) > TOLERANCE * scale + rounding).any():
            return None
    return values, slopes


def _scores(behind: Pipeline, features: np.ndarray) -> Any:
    """One column for each class or number, or None where there are only probabilities."""
    method = getattr(behind, "decision_function", None)
    if method is None and getattr(behind, "classes_", None) is None:
        method = getattr(behind, "predict", None)
    if method is None:
        return None
    return as_columns(of_features(method, features), method.__name__)


def of_features(method: Any, features: np.ndarray) -> np.ndarray:
    """What a method gives for features without names, whatever it was fitted to."""
    with warnings.catch_warnings():
        # Steps that were fitted to frames speak of names, which change no score.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        return np.asarray(method(features))
