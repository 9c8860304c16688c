"""Patches of images as the rows of a matrix, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..contract import Pair
from .layout import (
    Padding,
    blocks,
    padded_channels_last,
    padded_zeros,
)
from .scratch import borrowed

__all__ = ["PatchGrid"]


@dataclass(frozen=True)
class PatchGrid:
    """Where patches lie in zero-padded images.

    Parameters
    ----------
    extent, stride : (int, int)
        Rows and columns of a patch, and from one patch to the next.
    padding : ((top, bottom), (left, right))
    shape : (int, int)
        How many patches there are, down and across.
    dilation : (int, int)
        Pixels from one row of a patch to the next, and from one column to the next.
    """

    extent: Pair
    stride: Pair
    padding: Padding
    shape: Pair
    dilation: Pair = (1, 1)

    def blocks(
        self, x: np.ndarray, companions: int = 0
    ) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """The images' patches, as many at a time as stay in the cache.

        Parameters
        ----------
        x : ndarray of shape (n_samples, n_channels, height, width)
        companions : int
            How many more numbers the caller keeps for each patch.

        Yields
        ------
        samples, rows : slice
            Whose patches these are, and which rows of patches.
        matrix : ndarray of shape (n_patches, rows * columns * n_channels)
            Overwritten when the next block is asked for.
        """
        width = self.extent[0] * self.extent[1] * x.shape[1]
        row_bytes = self.shape[1] * (width + companions) * x.itemsize
        for samples, rows in blocks(len(x), self.shape[0], row_bytes):
            if rows.start == 0:
                padded = padded_channels_last(x[samples], self.padding)
            windows = self._windows(padded)[:, rows]
            n_patches = windows.shape[0] * windows.shape[1] * windows.shape[2]
            with borrowed((n_patches, width), x.dtype) as matrix:
                np.copyto(matrix.reshape(windows.shape), windows)
                yield samples, rows, matrix

    def add(self, matrix: np.ndarray, rows: slice, padded: np.ndarray) -> None:
        """Add patches to where they came from.

        Parameters
        ----------
        matrix : ndarray of shape (n_patches, rows * columns * n_channels)
            The patches of a block.
        rows : slice
            Which rows of patches.
        padded : ndarray of shape (n_samples, padded height, padded width, n_channels)
            The block's images. Contiguous.
        """
        if not matrix.size:
            return
        n_rows, (height, width) = rows.stop - rows.start, self.extent
        patches = matrix.reshape(len(padded), n_rows, self.shape[1], height, width, padded.shape[3])
        for i in range(height):
            start = rows.start * self.stride[0] + i * self.dilation[0]
            lines = padded[:, start : start + (n_rows - 1) * self.stride[0] + 1 : self.stride[0]]
            self._add_line(patches[:, :, :, i], lines)

    def _add_line(self, patches: np.ndarray, lines: np.ndarray) -> None:
        """Add one line of every patch, (samples, rows, n_across, columns, channels), to `lines`."""
        n_across, width = patches.shape[2:4]
        step, apart = self.stride[1], self.dilation[1]
        # Whole patches are longer runs of memory, and columns of a patch may be fewer.
        if n_across <= 4 * width and apart == 1:
            for place in range(n_across):
                lines[:, :, place * step : place * step + width] += patches[:, :, place]
            return
        for j in range(width):
            first = j * apart
            lines[:, :, first : first + (n_across - 1) * step + 1 : step] += patches[:, :, :, j]

    def gradient(self, x_shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Zeros to `add` to, channels-last with padding; and the images in them, without."""
        padded = padded_zeros(x_shape, self.padding, dtype)
        (top, _), (left, _) = self.padding
        images = padded[:, top : top + x_shape[2], left : left + x_shape[3]]
        return padded, images.transpose(0, 3, 1, 2)

    def _windows(self, padded: np.ndarray) -> np.ndarray:
        """Every patch, of shape (samples, down, across, rows, columns, channels), uncopied."""
        sample, row, column, channel = padded.strides
        down, across = self.stride
        below, beside = self.dilation
        return as_strided(
            padded,
            shape=(len(padded), *self.shape, *self.extent, padded.shape[3]),
            strides=(sample, row * down, column * across, row * below, column * beside, channel),
            writeable=False,
        )
