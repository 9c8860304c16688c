"""The names of ``nolearn.metrics``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import f1_score

__all__ = [
    "LearningCurve",
    "LearningCurveProbas",
    "learning_curve",
    "learning_curve_logloss",
    "multiclass_logloss",
]


def multiclass_logloss(actual: Any, predicted: Any, eps: float = 1e-15) -> float:
    """The mean of minus the logarithm of the probability of what was true.

    Parameters
    ----------
    actual : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Classes from 0 on, or a 1 in the column of each sample's class.
    predicted : ndarray of shape (n_samples, n_classes)
        Probabilities.
    eps : float, default=1e-15
        Probabilities are kept that far from 0 and 1.

    Returns
    -------
    float

    Examples
    --------
    >>> probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    >>> round(multiclass_logloss(np.array([0, 1]), probabilities), 4)
    0.4904
    """
    actual, predicted = np.asarray(actual), np.asarray(predicted)
    if actual.ndim == 1:
        actual = np.eye(predicted.shape[1])[actual]
    total = np.sum(actual * np.log(np.clip(predicted, eps, 1 - eps)))
    return float(-1.0 / len(actual) * total)


class LearningCurve:
    """Scores of training and test for more and more samples.

    scikit-learn's `sklearn.model_selection.learning_curve` is what new code takes.

    Parameters
    ----------
    score_func : callable, optional
        (y_true, prediction) to a number; by default F1, or the logarithmic loss in
        `LearningCurveProbas`.
    """

    score_func: Callable[..., float] = staticmethod(f1_score)

    def __init__(self, score_func: Callable[..., float] | None = None) -> None:
        if score_func is not None:
            self.score_func = score_func

    def predict(self, clf: Any, X: Any) -> Any:
        """What is scored: the classes."""
        return clf.predict(X)

    def __call__(
        self,
        dataset: Any,
        classifier: Any,
        steps: int = 10,
        verbose: int = 0,
        random_state: int = 42,
    ) -> tuple[list[float], list[float], list[int]]:
        """Fit and score clones of a classifier.

        Parameters
        ----------
        dataset : object
            Its method ``train_test_split()`` gives X_train, X_test, y_train, y_test.
        classifier : estimator
        steps : int, default=10
            How many numbers of samples, from a tenth to all.
        verbose : int, default=0
            Print a line for each.
        random_state : int, default=42
            As in nolearn, of no effect.

        Returns
        -------
        scores_train, scores_test : list of float
        sizes : list of int
        """
        X_train, X_test, y_train, y_test = dataset.train_test_split()
        sizes = [int(len(X_train) * share) for share in np.linspace(0.1, 1.0, steps)]
        scores_train, scores_test = [], []
        if verbose:
            print("          n      train      test")
        for size in sizes:
            X, y = X_train[:size], y_train[:size]
            fitted = clone(classifier).fit(X, y)
            scores_train.append(self.score_func(y, self.predict(fitted, X)))
            scores_test.append(self.score_func(y_test, self.predict(fitted, X_test)))
            if verbose:
                print(f"   {size:8d}     {scores_train[-1]:0.4f}    {scores_test[-1]:0.4f}")
        return scores_train, scores_test, sizes


class LearningCurveProbas(LearningCurve):
    """`LearningCurve` of probabilities, scored by the logarithmic loss."""

    score_func = staticmethod(multiclass_logloss)

    def predict(self, clf: Any, X: Any) -> Any:
        """What is scored: the probabilities."""
        return clf.predict_proba(X)


learning_curve = LearningCurve().__call__
learning_curve_logloss = LearningCurveProbas().__call__
