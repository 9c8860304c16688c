"""Convolution as matrix products over blocks of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convnet_features.kernels.contract import Conv2DKernel, Conv2DSpec, Pair
from convnet_features.kernels.portable.layout import blocks, padded_channels_last

__all__ = ["PortableConv2D", "filter_matrix", "filters_from_matrix", "windows"]


def windows(padded: np.ndarray, extent: Sequence[int], stride: Pair, n_outputs: Pair) -> np.ndarray:
    """Every window of contiguous channels-last images, without copying.

    Returns
    -------
    ndarray of shape (n_samples, out_height, out_width, rows, columns, n_channels)
        Read-only; its entries overlap in memory.
    """
    sample, row, column, channel = padded.strides
    return as_strided(
        padded,
        shape=(len(padded), *n_outputs, *extent, padded.shape[3]),
        strides=(sample, row * stride[0], column * stride[1], row, column, channel),
        writeable=False,
    )


def filter_matrix(w: np.ndarray, flip: bool) -> np.ndarray:
    """Filters as a matrix of shape (rows * columns * n_channels, n_filters), to correlate with."""
    if flip:
        w = w[:, :, ::-1, ::-1]
    n_filters, n_channels, rows, columns = w.shape
    return w.transpose(2, 3, 1, 0).reshape(rows * columns * n_channels, n_filters)


def filters_from_matrix(matrix: np.ndarray, w_shape: tuple[int, ...], flip: bool) -> np.ndarray:
    """The inverse of `filter_matrix`."""
    n_filters, n_channels, rows, columns = w_shape
    w = matrix.reshape(rows, columns, n_channels, n_filters).transpose(3, 2, 0, 1)
    if flip:
        w = w[:, :, ::-1, ::-1]
    return np.ascontiguousarray(w)


class PortableConv2D(Conv2DKernel):
    """im2col by blocks that stay in the cache, then BLAS.

    Parameters
    ----------
    spec : Conv2DSpec
    """

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec

    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        n_samples, n_filters, *n_outputs = self.spec.output_shape(x.shape, w.shape)
        matrix = filter_matrix(w.astype(x.dtype, copy=False), self.spec.flip_filters)
        y = np.empty((n_samples, *n_outputs, n_filters), x.dtype)
        for samples, rows, block in self._windows(x, w.shape):
            columns = _as_columns(block)
            np.matmul(columns, matrix, out=y[samples, rows].reshape(len(columns), n_filters))
        return y.transpose(0, 3, 1, 2)

    def grad_weights(self, x: np.ndarray, w_shape: tuple[int, ...], gy: np.ndarray) -> np.ndarray:
        n_filters = w_shape[0]
        total = np.zeros((int(np.prod(w_shape[1:])), n_filters), x.dtype)
        for samples, rows, block in self._windows(x, w_shape):
            columns = _as_columns(block)
            g = gy[samples, :, rows].transpose(0, 2, 3, 1).reshape(len(columns), n_filters)
            total += columns.T @ g
        return filters_from_matrix(total, w_shape, self.spec.flip_filters)

    def grad_input(self, x_shape: tuple[int, ...], w: np.ndarray, gy: np.ndarray) -> np.ndarray:
        (top, bottom), (left, right) = self.spec.padding
        n_samples, n_channels, height, width = x_shape
        n_filters, _, *extent = w.shape
        _, _, out_height, out_width = self.spec.output_shape(x_shape, w.shape)
        down, across = self.spec.stride
        matrix = filter_matrix(w.astype(gy.dtype, copy=False), self.spec.flip_filters).T
        padded = np.zeros(
            (n_samples, top + height + bottom, left + width + right, n_channels), gy.dtype
        )
        row_bytes = out_width * matrix.shape[1] * gy.itemsize
        for samples, rows in blocks(n_samples, out_height, row_bytes):
            g = gy[samples, :, rows].transpose(0, 2, 3, 1)
            columns = g.reshape(g.shape[0] * g.shape[1] * out_width, n_filters) @ matrix
            columns = columns.reshape(*g.shape[:3], *extent, n_channels)
            for i, j in np.ndindex(*extent):
                first = rows.start * down + i
                padded[
                    samples,
                    first : first + g.shape[1] * down : down,
                    j : j + out_width * across : across,
                ] += columns[:, :, :, i, j]
        return padded[:, top : top + height, left : left + width].transpose(0, 3, 1, 2)

    def _windows(
        self, x: np.ndarray, w_shape: tuple[int, ...]
    ) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """(samples, output rows, their windows) for each block."""
        n_samples, _, height, width = self.spec.output_shape(x.shape, w_shape)
        row_bytes = width * int(np.prod(w_shape[1:])) * x.itemsize
        for samples, rows in blocks(n_samples, height, row_bytes):
            if rows.start == 0:
                padded = padded_channels_last(x[samples], self.spec.padding)
                block = windows(padded, w_shape[2:], self.spec.stride, (height, width))
            yield samples, rows, block[:, rows]


def _as_columns(block: np.ndarray) -> np.ndarray:
    """A block of windows, one to a row, copied together."""
    n_samples, out_height, out_width, rows, columns, n_channels = block.shape
    return block.reshape(n_samples * out_height * out_width, rows * columns * n_channels)
