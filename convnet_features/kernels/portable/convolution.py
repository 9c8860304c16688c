"""Convolution as matrix products over blocks of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..contract import Conv2DKernel, Conv2DSpec, check_gradient
from ..memory import empty
from .blas_memory import memory_for_blas
from .layout import blocks
from .patches import PatchGrid
from .scratch import borrowed

__all__ = ["PortableConv2D"]


class PortableConv2D(Conv2DKernel):
    """Patches of the images by blocks that stay in the cache, times the filters.

    Groups of channels are convolved one after the other.

    Parameters
    ----------
    spec : Conv2DSpec
    """

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec
        self._of_group = PortableConv2D(replace(spec, groups=1)) if spec.groups > 1 else None

    @memory_for_blas()
    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        if self._of_group is not None:
            parts = (self._of_group.forward(x[:, c], w[k]) for c, k in self._groups(w.shape))
            return np.concatenate(list(parts), axis=1)
        grid = self._grid(x.shape, w.shape)
        filters = self._matrix(w.astype(x.dtype, copy=False))
        y = empty((len(x), *grid.shape, len(w)), x.dtype)
        for samples, rows, patches in grid.blocks(x, companions=len(w)):
            np.matmul(patches, filters, out=y[samples, rows].reshape(len(patches), len(w)))
        return y.transpose(0, 3, 1, 2)

    @memory_for_blas()
    def grad_input(self, x_shape: tuple[int, ...], w: np.ndarray, gy: np.ndarray) -> np.ndarray:
        check_gradient(gy, self.spec.output_shape(x_shape, w.shape))
        if self._of_group is not None:
            of_group = (x_shape[0], w.shape[1], *x_shape[2:])
            parts = (
                self._of_group.grad_input(of_group, w[k], gy[:, k])
                for _, k in self._groups(w.shape)
            )
            return np.concatenate(list(parts), axis=1)
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
        if self._of_group is not None:
            of_group = (w_shape[0] // self.spec.groups, *w_shape[1:])
            parts = (
                self._of_group.grad_weights(x[:, c], of_group, gy[:, k])
                for c, k in self._groups(w_shape)
            )
            return np.concatenate(list(parts))
        n_filters, n_channels, height, width = w_shape
        total = np.zeros((height * width * n_channels, n_filters), x.dtype)
        for samples, rows, patches in self._grid(x.shape, w_shape).blocks(x, n_filters):
            total += patches.T @ _matrix_of(gy[samples, :, rows])
        gw = total.reshape(height, width, n_channels, n_filters).transpose(3, 2, 0, 1)
        return np.ascontiguousarray(gw[:, :, ::-1, ::-1] if self.spec.flip_filters else gw)

    def _grid(self, x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> PatchGrid:
        _, _, height, width = self.spec.output_shape(x_shape, w_shape)
        return PatchGrid(
            (w_shape[2], w_shape[3]),
            self.spec.stride,
            self.spec.padding,
            (height, width),
            self.spec.dilation,
        )

    def _groups(self, w_shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
        """The channels and the filters of each group."""
        n_filters, n_channels = w_shape[0] // self.spec.groups, w_shape[1]
        for group in range(self.spec.groups):
            yield (
                slice(group * n_channels, (group + 1) * n_channels),
                slice(group * n_filters, (group + 1) * n_filters),
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
