"""Convolution as matrix products over blocks of images."""

from __future__ import annotations

import numpy as np

from convnet_features.kernels.contract import Conv2DKernel, Conv2DSpec, check_gradient
from convnet_features.kernels.memory import empty
from convnet_features.kernels.portable.blas_memory import memory_for_blas
from convnet_features.kernels.portable.layout import blocks
from convnet_features.kernels.portable.patches import PatchGrid
from convnet_features.kernels.portable.scratch import borrowed

__all__ = ["PortableConv2D"]


class PortableConv2D(Conv2DKernel):
    """Patches of the images by blocks that stay in the cache, times the filters.

    Parameters
    ----------
    spec : Conv2DSpec
    """

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec

    @memory_for_blas()
    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        grid = self._grid(x.shape, w.shape)
        filters = self._matrix(w.astype(x.dtype, copy=False))
        y = empty((len(x), *grid.shape, len(w)), x.dtype)
        for samples, rows, patches in grid.blocks(x, companions=len(w)):
            np.matmul(patches, filters, out=y[samples, rows].reshape(len(patches), len(w)))
        return y.transpose(0, 3, 1, 2)

    @memory_for_blas()
    def grad_input(self, x_shape: tuple[int, ...], w: np.ndarray, gy: np.ndarray) -> np.ndarray:
        check_gradient(gy, self.spec.output_shape(x_shape, w.shape))
        grid = self._grid(x_shape, w.shape)
        filters = self._matrix(w.astype(gy.dtype, copy=False))
        padded, gx = grid.gradient(x_shape, gy.dtype)
        row_bytes = grid.shape[1] * sum(filters.shape) * gy.itemsize
        for samples, rows in blocks(len(gy), grid.shape[0], row_bytes):
            g = _matrix_of(gy[samples, :, rows])
            with borrowed((len(g), len(filters)), gy.dtype) as patches:
                np.matmul(g, filters.T, out=patches)
                grid.add(patches, rows, padded[samples])
        return gx

    @memory_for_blas()
    def grad_weights(self, x: np.ndarray, w_shape: tuple[int, ...], gy: np.ndarray) -> np.ndarray:
        check_gradient(gy, self.spec.output_shape(x.shape, w_shape))
        n_filters, n_channels, height, width = w_shape
        total = np.zeros((height * width * n_channels, n_filters), x.dtype)
        for samples, rows, patches in self._grid(x.shape, w_shape).blocks(x, n_filters):
            total += patches.T @ _matrix_of(gy[samples, :, rows])
        gw = total.reshape(height, width, n_channels, n_filters).transpose(3, 2, 0, 1)
        return np.ascontiguousarray(gw[:, :, ::-1, ::-1] if self.spec.flip_filters else gw)

    def _grid(self, x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> PatchGrid:
        _, _, height, width = self.spec.output_shape(x_shape, w_shape)
        return PatchGrid(
            (w_shape[2], w_shape[3]), self.spec.stride, self.spec.padding, (height, width)
        )

    def _matrix(self, w: np.ndarray) -> np.ndarray:
        """Filters to correlate with, of shape (rows * columns * n_channels, n_filters)."""
        if self.spec.flip_filters:
            w = w[:, :, ::-1, ::-1]
        return w.transpose(2, 3, 1, 0).reshape(int(np.prod(w.shape[1:])), len(w))


def _matrix_of(images: np.ndarray) -> np.ndarray:
    """Images as a matrix with a row for each pixel."""
    n_samples, n_channels, height, width = images.shape
    return images.transpose(0, 2, 3, 1).reshape(n_samples * height * width, n_channels)
