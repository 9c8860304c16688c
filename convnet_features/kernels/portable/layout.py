"""Channels-last images, and the blocks of them that fit into a cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["blocks", "channels_last", "empty_like_order", "padded_channels_last"]

#: Bytes that one block's working matrix may take: about half of a core's L2 cache.
BLOCK_BYTES = 1 << 20


def blocks(
    n_samples: int, n_rows: int, row_bytes: int, budget: int = BLOCK_BYTES
) -> Iterator[tuple[slice, slice]]:
    """Slices of samples, and of rows in each, that cover everything and fit into `budget` bytes.

    Rows are divided only where one whole sample does not fit.
    """
    sample_bytes = max(1, n_rows * row_bytes)
    if sample_bytes <= budget:
        step = budget // sample_bytes
        for start in range(0, n_samples, step):
            yield slice(start, min(start + step, n_samples)), slice(0, n_rows)
        return
    step = max(1, budget // max(1, row_bytes))
    for sample in range(n_samples):
        for start in range(0, n_rows, step):
            yield slice(sample, sample + 1), slice(start, min(start + step, n_rows))


def channels_last(x: np.ndarray) -> np.ndarray:
    """A contiguous (n_samples, height, width, n_channels) array; `x` itself where it is one."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def padded_channels_last(
    x: np.ndarray, padding: tuple[tuple[int, int], tuple[int, int]]
) -> np.ndarray:
    """`channels_last` with zeros around each image."""
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return channels_last(x)
    n_samples, n_channels, height, width = x.shape
    padded = np.zeros((n_samples, top + height + bottom, left + width + right, n_channels), x.dtype)
    padded[:, top : top + height, left : left + width] = x.transpose(0, 2, 3, 1)
    return padded


def empty_like_order(x: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A new array of `shape` whose axes lie in memory in the order of those of `x`."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    new = np.empty([shape[axis] for axis in order], x.dtype)
    return new.transpose(np.argsort(order))
