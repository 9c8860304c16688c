"""Rows of X and y, in batches, as the network wants them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import joblib
import numpy as np

from ..kernels.threads import get_num_threads
from ..network.on_demand import ImagesOnDemand, in_order, one_ahead
from ..network.pixels import to_network

__all__ = ["Dataset", "iterate_batches", "processor_to_spare"]

#: Images, targets, and weights or None.
Batch = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Dataset:
    """Samples to train on or to validate with: rows of arrays that are never copied as a whole.

    Attributes
    ----------
    images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width)
        Of any numeric dtype; they become float32 batch by batch.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,), or None
    rows : ndarray of int
        Which of them belong to this set.
    """

    images: np.ndarray | ImagesOnDemand
    targets: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def iterate_batches(
    data: Dataset,
    batch_size: int,
    scale: float,
    shuffle: np.random.Generator | None,
    augment: Callable[[np.ndarray, int], np.ndarray] | None = None,
    ahead: bool = False,
) -> Generator[Batch]:
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
    augment : callable, optional
        From a batch's images (float32, its own copy, not scaled yet) and its
        number, from 0, to the images to train on.
    ahead : bool, default=False
        Make the next batch while the caller works on this one, as always where the
        images are on demand.

    Yields
    ------
    tuple
        One batch, gathered in one pass when it is asked for, or before.
    """
    rows = data.rows if shuffle is None else shuffle.permutation(data.rows)

    def load(number: int) -> Batch:
        chosen = _as_slice(rows[number * batch_size : (number + 1) * batch_size])
        images = data.images[chosen]
        if augment is not None:
            images = augment(np.array(images, dtype=np.float32), number)
        weights = None if data.weights is None else data.weights[chosen]
        return to_network(images, scale), data.targets[chosen], weights

    n_batches = -(-len(rows) // batch_size)
    yield from one_ahead(load, n_batches) if ahead else in_order(data.images, load, n_batches)


def processor_to_spare() -> bool:
    """Whether the kernels leave a processor for something beside them.

    A thread on a processor that the kernels use holds up their threads on the
    others as well, which wait for each other: on two processors it costs more
    than the same work between two batches (docs/design/performance.md).
    """
    return get_num_threads() < joblib.cpu_count()


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Consecutive rows as a slice, which copies nothing."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(first, last + 1)
    return rows
