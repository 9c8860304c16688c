"""Channels-last images, and the blocks of them that fit into a cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..memory import empty

__all__ = ["Padding", "blocks", "empty_like_order", "padded_channels_last", "padded_zeros"]

Padding = tuple[tuple[int, int], tuple[int, int]]

#: Bytes that the working matrices of a block may take together: what a core's L2 cache holds.
BLOCK_BYTES = 3 << 19


def blocks(
    n_samples: int, n_rows: int, row_bytes: int, budget: int = BLOCK_BYTES
) -> Iterator[tuple[slice, slice]]:
    """Slices of samples, and of rows in each, that cover everything and fit into `budget` bytes.

    Rows are divided only where one whole sample does not fit. The first block
    is the largest.
    """
    sample_bytes = max(1, n_rows * row_bytes)
    if sample_bytes <= budget:
        step = budget // sample_bytes
        for start in range(0, n_samples, step):
            yield slice(start, min(start + step, n_samples)), slice(0, n_rows)
        return
    step = max(1, budget // row_bytes)
    for sample in range(n_samples):
        for start in range(0, n_rows, step):
            yield slice(sample, sample + 1), slice(start, min(start + step, n_rows))


def padded_zeros(x_shape: Sequence[int], padding: Padding, dtype: np.dtype) -> np.ndarray:
    """Zeros of shape (n_samples, padded height, padded width, n_channels)."""
    n_samples, n_channels, height, width = x_shape
    (top, bottom), (left, right) = padding
    return np.zeros((n_samples, top + height + bottom, left + width + right, n_channels), dtype)


def padded_channels_last(x: np.ndarray, padding: Padding) -> np.ndarray:
    """Images as one contiguous (n_samples, height, width, n_channels) array, zeros around each.

    A view of `x` where that will do.
    """
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    padded = padded_zeros(x.shape, padding, x.dtype)
    padded[:, top : top + x.shape[2], left : left + x.shape[3]] = x.transpose(0, 2, 3, 1)
    return padded


def empty_like_order(x: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A new array of `shape` whose axes lie in memory in the order of those of `x`."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    new = empty([shape[axis] for axis in order], x.dtype)
    return new.transpose(np.argsort(order))
