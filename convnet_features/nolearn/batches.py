"""nolearn's batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["BatchIterator", "n_rows", "rows_of"]


def rows_of(X: Any, chosen: Any) -> Any:
    """Rows of an array, or of every array in a dictionary."""
    if isinstance(X, Mapping):
        return {name: array[chosen] for name, array in X.items()}
    return X[chosen]


def n_rows(X: Any) -> int:
    """How many rows an array has, or the arrays in a dictionary."""
    return len(next(iter(X.values())) if isinstance(X, Mapping) else X)


class BatchIterator:
    """Cuts X and y into batches, and may change each of them.

    Parameters
    ----------
    batch_size : int
        The last batch may be smaller.
    shuffle : bool, default=False
        Draw a new order for every pass. nolearn reordered the caller's arrays;
        here they stay as they are.
    seed : int, default=42
        Of the order.

    Examples
    --------
    A subclass with its own `transform` is how scripts augment images:

    >>> import numpy as np
    >>> class Flip(BatchIterator):
    ...     def transform(self, Xb, yb):
    ...         return Xb[:, :, :, ::-1], yb
    >>> X = np.arange(6.0).reshape(3, 1, 1, 2)
    >>> for Xb, yb in Flip(batch_size=2)(X):
    ...     print(Xb.ravel())
    [1. 0. 3. 2.]
    [5. 4.]
    """

    def __init__(self, batch_size: int, shuffle: bool = False, seed: int = 42) -> None:
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.random = np.random.RandomState(seed)

    def __call__(self, X: Any, y: Any = None) -> BatchIterator:
        """Set what the next pass goes over; returns self.

        X and y have one entry a sample. X may be a dictionary, with an array for each input.
        """
        self.X, self.y = X, y
        return self

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        order = self.random.permutation(self.n_samples) if self.shuffle else None
        for start in range(0, self.n_samples, self.batch_size):
            batch: Any = slice(start, start + self.batch_size)
            chosen = batch if order is None else order[batch]
            yb = None if self.y is None else rows_of(self.y, chosen)
            yield self.transform(self._own(rows_of(self.X, chosen)), self._own(yb))

    def _own(self, batch: Any) -> Any:
        """A batch that a `transform` of a subclass may write to: scripts flip images in place."""
        if type(self).transform is BatchIterator.transform or batch is None:
            return batch
        if isinstance(batch, Mapping):
            return {name: np.array(array) for name, array in batch.items()}
        return np.array(batch)

    @property
    def n_samples(self) -> int:
        """How many samples X has."""
        return n_rows(self.X)

    def transform(self, Xb: Any, yb: Any) -> tuple[Any, Any]:
        """The batch that is trained on: in this class, the batch as it is.

        Parameters
        ----------
        Xb : ndarray of shape (n_batch, ...), or dict of them by the names of inputs
        yb : ndarray of shape (n_batch, ...), or None

        Returns
        -------
        Xb, yb
        """
        return Xb, yb

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the data."""
        return {key: value for key, value in vars(self).items() if key not in ("X", "y")}
