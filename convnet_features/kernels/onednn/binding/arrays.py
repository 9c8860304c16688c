"""Callers' arrays, checked and made ready for oneDNN, which reads bare addresses."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...memory import empty
from ..plan.layouts import CHANNELS_LAST, PLAIN

__all__ = [
    "FLOAT32",
    "all_float32",
    "empty_images",
    "flipped",
    "images",
    "plain",
]

FLOAT32 = np.dtype(np.float32)


def all_float32(arrays: Iterable[np.ndarray]) -> bool:
    """Are they all of the one type that oneDNN computes with here?"""
    return all(array.dtype == FLOAT32 for array in arrays)


def plain(array: np.ndarray) -> np.ndarray:
    """`array` itself, or an aligned copy in C order."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, dtype=FLOAT32, order="C")


def images(x: np.ndarray) -> tuple[np.ndarray, str]:
    """`x` in C order as it lies in memory, and its layout; a copy only if it lies otherwise.

    Channels-last images come back with the shape (n_samples, height, width,
    n_channels).
    """
    flags = x.flags
    if flags.c_contiguous and flags.aligned:
        return x, PLAIN
    if x.ndim == 4 and flags.aligned:
        last = x.transpose(0, 2, 3, 1)
        if last.flags.c_contiguous:
            return last, CHANNELS_LAST
    return plain(x), PLAIN


def flipped(w: np.ndarray) -> np.ndarray:
    """A copy of filters with rows and columns reversed: oneDNN correlates, Theano convolves."""
    return np.array(w[:, :, ::-1, ::-1], order="C")


def empty_images(shape: tuple[int, ...], layout: str) -> tuple[np.ndarray, np.ndarray]:
    """New images as they lie in memory, and as callers see them: (n, channels, rows, columns)."""
    if layout == PLAIN:
        array = empty(shape)
        return array, array
    n_samples, channels, rows, columns = shape
    array = empty((n_samples, rows, columns, channels))
    return array, array.transpose(0, 3, 1, 2)
