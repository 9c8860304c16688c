"""Rows of X and y, in batches, as the network wants them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Dataset", "iterate_batches", "to_network"]


@dataclass(frozen=True)
class Dataset:
    """Samples to train on or to validate with: rows of arrays that are never copied as a whole.

    Attributes
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width)
        Of any numeric dtype; they become float32 batch by batch.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,), or None
    rows : ndarray of int
        Which of them belong to this set.
    """

    images: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def to_network(images: np.ndarray, scale: float) -> np.ndarray:
    """`images` as float32 times `scale`: themselves where that changes nothing."""
    batch = np.asarray(images, dtype=np.float32)
    if scale == 1.0:
        return batch
    return np.multiply(batch, np.float32(scale), out=batch if batch is not images else None)


def iterate_batches(
    data: Dataset,
    batch_size: int,
    scale: float,
    shuffle: np.random.Generator | None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Batches of (images, targets, weights or None).

    Parameters
    ----------
    data : Dataset
    batch_size : int
        The last batch may be smaller.
    scale : float
        Pixels are multiplied by it.
    shuffle : Generator or None
        Draws the order of the rows; None keeps it. The caller's arrays stay as
        they are.

    Yields
    ------
    tuple
        One batch, gathered in one pass when it is asked for.
    """
    rows = data.rows if shuffle is None else shuffle.permutation(data.rows)
    for start in range(0, len(rows), batch_size):
        chosen = _as_slice(rows[start : start + batch_size])
        weights = None if data.weights is None else data.weights[chosen]
        yield to_network(data.images[chosen], scale), data.targets[chosen], weights


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Consecutive rows as a slice, which copies nothing."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(first, last + 1)
    return rows
