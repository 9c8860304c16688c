"""Rows of X and y, in batches, as the network wants them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import joblib
import numpy as np

from ..kernels.threads import get_num_threads
from ..network.inputs import Inputs
from ..network.on_demand import ImagesOnDemand, in_order, one_ahead
from ..network.pixels import to_network

__all__ = ["Batch", "Dataset", "iterate_batches", "own_copy", "processor_to_spare"]


class Batch(NamedTuple):
    """Some samples.

    Attributes
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width), or Inputs
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,), or None
    """

    images: Any
    targets: np.ndarray
    weights: np.ndarray | None


@dataclass(frozen=True)
class Dataset:
    """Samples to train on or to validate with: rows of arrays that are never copied as a whole.

    Attributes
    ----------
    images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width), or Inputs
        Of any numeric dtype; they become float32 batch by batch.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,), or None
    rows : ndarray of int
        Which of them belong to this set.
    layer : str or None
        Whose outputs stand in the images' place; None where there are images.
    """

    images: np.ndarray | ImagesOnDemand | Inputs
    targets: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray
    layer: str | None = None

    def __len__(self) -> int:
        return len(self.rows)


def iterate_batches(
    data: Dataset,
    batch_size: int,
    scale: float,
    shuffle: np.random.Generator | None,
    augment: Callable[[Batch, int], Batch] | None = None,
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
        From a batch (its images a copy of its own, not scaled yet: of uint8
        where X is, else of float32) and its number, from 0, to the one to train on.
    ahead : bool, default=False
        Make the next batch while the caller works on this one, as always where the
        images are on demand.

    Yields
    ------
    Batch
        One batch, gathered in one pass when it is asked for, or before.
    """
    rows = data.rows if shuffle is None else shuffle.permutation(data.rows)
    scale = scale if data.layer is None else 1.0

    def load(number: int) -> Batch:
        chosen = _as_slice(rows[number * batch_size : (number + 1) * batch_size])
        weights = None if data.weights is None else data.weights[chosen]
        batch = Batch(data.images[chosen], data.targets[chosen], weights)
        if augment is not None:
            batch = augment(batch._replace(images=own_copy(batch.images)), number)
        if isinstance(batch.images, Inputs):
            return batch  # which the network converts, who knows what each of them is
        return batch._replace(images=to_network(batch.images, scale))

    n_batches = -(-len(rows) // batch_size)
    yield from one_ahead(load, n_batches) if ahead else in_order(data.images, load, n_batches)


def own_copy(images: np.ndarray) -> np.ndarray:
    """Bytes as bytes, everything else as float32; nobody else's array, channel by channel.

    Augmentations take up to four times longer where channels lie last in memory.
    """
    return np.array(images, np.uint8 if images.dtype == np.uint8 else np.float32, order="C")


def processor_to_spare() -> bool:
    """Whether the kernels leave a processor for something beside them.

    A thread on a processor that the kernels use holds up their threads on the
    others as well, which wait for each other: on two processors it costs more
    than the same work between two batches (docs/design/journal.md).
    """
    return get_num_threads() < joblib.cpu_count()


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Consecutive rows as a slice, which copies nothing."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(first, last + 1)
    return rows
