"""nolearn's validation data."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

__all__ = ["TrainSplit"]


class TrainSplit:
    """Holds out the first of 1 / `eval_size` folds, as nolearn does.

    Parameters
    ----------
    eval_size : float
        The share of the samples to validate with; 0 trains on all of them.
    stratify : bool, default=True
        Whether classes keep their shares; not in regression.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> X, y = np.arange(8).reshape(8, 1), np.repeat([0, 1], 4)
    >>> net = SimpleNamespace(regression=False)
    >>> X_train, X_valid, y_train, y_valid = TrainSplit(eval_size=0.25)(X, y, net)
    >>> X_valid.ravel(), y_valid
    (array([0, 4]), array([0, 1]))
    """

    def __init__(self, eval_size: float, stratify: bool = True) -> None:
        self.eval_size = eval_size
        self.stratify = stratify

    def __call__(self, X: Any, y: Any, net: Any) -> tuple[Any, Any, Any, Any]:
        """Split the samples.

        Parameters
        ----------
        X, y : ndarray
            With one entry a sample.
        net : NeuralNet
            Whose ``regression`` is asked for.

        Returns
        -------
        X_train, X_valid, y_train, y_valid
        """
        if not self.eval_size:
            return X, X[len(X) :], y, y[len(y) :]
        if not 0 < self.eval_size < 1:
            raise ValueError(
                f"TrainSplit: eval_size must be at least 0 and below 1; got {self.eval_size!r}."
            )
        n_folds = max(2, round(1 / self.eval_size))
        stratified = self.stratify and not net.regression and np.ndim(y) == 1
        folds = StratifiedKFold(n_folds) if stratified else KFold(n_folds)
        training, validation = next(folds.split(np.empty(len(y)), y))
        return X[training], X[validation], y[training], y[validation]
