"""nolearn's validation data."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from .batches import n_rows, rows_of

__all__ = ["LegacyTrainTestSplit", "TrainSplit"]


class TrainSplit:
    """Holds out the first of 1 / `eval_size` folds, as nolearn does.

    Parameters
    ----------
    eval_size : float
        The share of the samples to validate with; 0 trains on all of them.
    stratify : bool, default=True
        Whether classes keep their shares; not in regression.
    shuffle : bool, default=False
        Draw an order of the samples first, a new one for every split. nolearn
        reordered the caller's arrays; here they stay as they are.
    seed : int, default=42
        Of the order.

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

    def __init__(
        self, eval_size: float, stratify: bool = True, shuffle: bool = False, seed: int = 42
    ) -> None:
        self.eval_size = eval_size
        self.stratify = stratify
        self.shuffle = shuffle
        self.random = np.random.RandomState(seed)

    def __call__(self, X: Any, y: Any, net: Any) -> tuple[Any, Any, Any, Any]:
        """Split the samples.

        Parameters
        ----------
        X, y : ndarray
            With one entry a sample. X may be a dictionary, with an array for each input.
        net : NeuralNet
            Whose ``regression`` is asked for.

        Returns
        -------
        X_train, X_valid, y_train, y_valid
        """
        order = self._order(n_rows(X))
        if self.eval_size:
            training, validation = self._first_fold(y, order, net)
        elif order is None:
            return X, rows_of(X, slice(0, 0)), y, rows_of(y, slice(0, 0))
        else:
            training, validation = order, slice(0, 0)
        return (
            rows_of(X, training),
            rows_of(X, validation),
            rows_of(y, training),
            rows_of(y, validation),
        )

    def _order(self, n_samples: int) -> Any:
        # Splits that were pickled before there was an order have no `shuffle`.
        return self.random.permutation(n_samples) if getattr(self, "shuffle", False) else None

    def _first_fold(self, y: Any, order: Any, net: Any) -> tuple[Any, Any]:
        if not 0 < self.eval_size < 1:
            raise ValueError(
                f"TrainSplit: eval_size must be at least 0 and below 1; got {self.eval_size!r}."
            )
        n_folds = max(2, round(1 / self.eval_size))
        stratified = self.stratify and not net.regression and np.ndim(y) == 1
        folds = StratifiedKFold(n_folds) if stratified else KFold(n_folds)
        ordered = y if order is None else rows_of(y, order)
        training, validation = next(folds.split(np.empty(n_rows(y)), ordered))
        return (training, validation) if order is None else (order[training], order[validation])


class LegacyTrainTestSplit:
    """Lets the net's own method ``train_test_split`` divide the data, as before nolearn 0.6.

    Parameters
    ----------
    eval_size : float, default=0.2
        What the method is given.
    """

    def __init__(self, eval_size: float = 0.2) -> None:
        self.eval_size = eval_size

    def __call__(self, X: Any, y: Any, net: Any) -> tuple[Any, Any, Any, Any]:
        """``net.train_test_split(X, y, eval_size)``."""
        divided: tuple[Any, Any, Any, Any] = net.train_test_split(X, y, self.eval_size)
        return divided
