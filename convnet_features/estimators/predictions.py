"""What a fitted network predicts, and how well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..validation import Targets
from .layer_outputs import LayerOutputs

__all__ = ["Predictions"]


Method = TypeVar("Method", bound=Callable[..., Any])


def _where_learnt(*kinds: str) -> Callable[[Method], Method]:
    """A method of estimators that were fitted to, or are bound to, one of these targets."""

    def check(self: Any) -> bool:
        model = getattr(self, "_model", None)
        kind = self._meaning() if model is None else model.target
        if kind not in kinds:
            what = "has no probabilities" if kind == "numbers" else "has no decision_function"
            raise AttributeError(f"{type(self).__name__} with target={kind!r} {what}.")
        return True

    return available_if(check)


#: The targets that have probabilities, or may turn out to have them.
_PROBABLE = ("auto", "discrete", "classes", "labels")


class Predictions(LayerOutputs):
    """`predict`, probabilities and `score`."""

    _targets_like: Targets

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target; with `tta`, by the mean over X and each view of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most probable class; the number; or 1 for each label whose
            probability exceeds one half.
        """
        outputs = self._outputs(X)
        return self._targets_like.predictions(outputs)

    @_where_learnt(*_PROBABLE)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities; with `tta`, their mean over X and each view of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            float32. Of each class, summing to 1; or of each label.
        """
        outputs = self._outputs(X)
        return self._targets_like.scores(outputs)

    @_where_learnt(*_PROBABLE)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithms of probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            float32; -inf where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @_where_learnt("labels")
    def decision_function(self, X: Any) -> np.ndarray:
        """Each label's probability, less one half: positive where the label is predicted.

        scikit-learn's scorers rank labels by it; they would take the probabilities
        of two labels for those of two classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            float32.
        """
        return self.predict_proba(X) - np.float32(0.5)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (of classes, or of whole rows of labels), or R² of numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        predicted = self.predict(X)
        like = self._targets_like
        measure = r2_score if like.kind == "numbers" else accuracy_score
        truth = like.compared(type(self).__name__, y)
        return float(measure(truth, predicted, sample_weight=sample_weight))

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        model = self._current_model()
        return model.outputs([model.network.output.name], self._images(X), self._views())[0]
