"""Images that are made when they are asked for, and a thread that asks ahead of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

__all__ = ["ImagesOnDemand", "in_order", "one_ahead"]

T = TypeVar("T")


class ImagesOnDemand(ABC):
    """An array-like of uint8 images that is no array: it is read batch by batch.

    Rows of it, chosen by a slice or an array, are images on demand too;
    `numpy.asarray` makes them, once. Nothing may make all of them at once.

    Attributes
    ----------
    shape : (int, int, int, int)
        (n_samples, channels, height, width).
    """

    dtype = np.dtype(np.uint8)
    ndim = 4
    shape: tuple[int, int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, key: Any) -> Any:
        """Images on demand for rows; an array of shape (channels, height, width) for a number."""

    @abstractmethod
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them, of shape (n_samples, channels, height, width)."""

    @abstractmethod
    def identity(self) -> Any:
        """Plain values that tell these images from others, without making them."""


def in_order(images: Any, load: Callable[[int], T], count: int) -> Iterator[T]:
    """``load(0)``, ``load(1)``, … of batches of `images`: made ahead where they are on demand."""
    if isinstance(images, ImagesOnDemand):
        return one_ahead(load, count)
    return map(load, range(count))


def one_ahead(load: Callable[[int], T], count: int) -> Iterator[T]:
    """``load(0)``, ``load(1)``, …: each is made, by a thread, while its predecessor is in use.

    Never more than one is made ahead, always in order and by one thread, so
    the results do not depend on who is quicker.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="convnet_features-next-batch") as thread:
        coming = thread.submit(load, 0) if count else None
        for number in range(1, count + 1):
            assert coming is not None
            current = coming.result()
            coming = thread.submit(load, number) if number < count else None
            yield current
