"""Pooling, one offset of the window at a time."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType

import numpy as np

from ..contract import Pool2DKernel, Pool2DSpec, check_gradient
from ..memory import empty_like
from .layout import blocks, empty_like_order

__all__ = ["PortablePool2D"]

#: What selects pixels of all images, or outputs.
Where = tuple[EllipsisType, slice, slice]


class PortablePool2D(Pool2DKernel):
    """Reduces whole slices of the images, one for each offset within the window.

    Parameters
    ----------
    spec : Pool2DSpec
    """

    def __init__(self, spec: Pool2DSpec) -> None:
        self.spec = spec

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = empty_like_order(x, self.spec.output_shape(x.shape))
        for samples in _sample_blocks(x):
            if self.spec.mode == "max":
                self._maximum(x[samples], y[samples])
            else:
                self._sum(x[samples], y[samples])
        return y

    def grad(self, x: np.ndarray, gy: np.ndarray) -> np.ndarray:
        check_gradient(gy, self.spec.output_shape(x.shape))
        gx = empty_like_order(x, x.shape)
        gx.fill(0)
        for samples in _sample_blocks(x):
            if self.spec.mode == "max":
                positions = self.first_maxima(x[samples])
                self._route(positions, gy[samples], gx[samples])
            else:
                self._spread(gy[samples], gx[samples])
        return gx

    def first_maxima(self, x: np.ndarray) -> np.ndarray:
        """The offset, counted in row-major order, of each window's first maximum."""
        best = empty_like_order(x, self.spec.output_shape(x.shape))
        positions = self._maximum(x, best, with_positions=True)
        assert positions is not None
        return positions

    def at_maxima(self, x: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Of images `values`, what lies where each window of `x` has its first maximum."""
        found = empty_like_order(x, self.spec.output_shape(x.shape))
        found.fill(0)
        for samples in _sample_blocks(x):
            positions = self.first_maxima(x[samples])
            for number, pixels, outputs in self._offsets(x.shape):
                chosen = positions[outputs] == number
                np.copyto(found[samples][outputs], values[samples][pixels], where=chosen)
        return found

    def _maximum(
        self, x: np.ndarray, y: np.ndarray, with_positions: bool = False
    ) -> np.ndarray | None:
        y.fill(-np.inf)
        positions = None
        if with_positions:
            kind = np.uint8 if np.prod(self.spec.window) <= 256 else np.intp
            positions = empty_like(y, kind)
            # A window that holds nothing above -inf has its maximum at its first pixel.
            positions[...] = self._first_offsets(x.shape)
        for number, pixels, outputs in self._offsets(x.shape):
            candidate, best = x[pixels], y[outputs]
            if positions is not None:
                np.copyto(positions[outputs], number, where=candidate > best)
            np.maximum(best, candidate, out=best)
        return positions

    def _sum(self, x: np.ndarray, y: np.ndarray) -> None:
        y.fill(0)
        for _, pixels, outputs in self._offsets(x.shape):
            y[outputs] += x[pixels]
        if self.spec.mode != "sum":
            y /= self._counts(x.shape, x.dtype)

    def _route(self, positions: np.ndarray, gy: np.ndarray, gx: np.ndarray) -> None:
        """Add each gradient to the pixel that is its window's maximum."""
        for number, pixels, outputs in self._offsets(gx.shape):
            gx[pixels] += gy[outputs] * (positions[outputs] == number)

    def _spread(self, gy: np.ndarray, gx: np.ndarray) -> None:
        """Add each gradient to every pixel of its window."""
        if self.spec.mode != "sum":
            gy = gy / self._counts(gx.shape, gy.dtype)
        for _, pixels, outputs in self._offsets(gx.shape):
            gx[pixels] += gy[outputs]

    def _offsets(self, x_shape: tuple[int, ...]) -> Iterator[tuple[int, Where, Where]]:
        """For each offset within the window: its number, the pixels there, and their outputs.

        Outputs whose window has padding, or nothing, at that offset are left out.
        """
        *_, out_height, out_width = self.spec.output_shape(x_shape)
        (rows, columns), (down, across), (pad_y, pad_x) = (
            self.spec.window,
            self.spec.stride,
            self.spec.padding,
        )
        for i in range(rows):
            y_outputs, y_pixels = _reach(i - pad_y, down, x_shape[2], out_height)
            for j in range(columns):
                x_outputs, x_pixels = _reach(j - pad_x, across, x_shape[3], out_width)
                yield (
                    i * columns + j,
                    (..., y_pixels, x_pixels),
                    (..., y_outputs, x_outputs),
                )

    def _first_offsets(self, x_shape: tuple[int, ...]) -> np.ndarray:
        """The number of the first offset of each window that is a pixel."""
        *_, out_height, out_width = self.spec.output_shape(x_shape)
        (down, across), (pad_y, pad_x) = self.spec.stride, self.spec.padding
        rows = np.maximum(0, pad_y - down * np.arange(out_height))
        columns = np.maximum(0, pad_x - across * np.arange(out_width))
        return rows[:, None] * self.spec.window[1] + columns

    def _counts(self, x_shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """What each window's sum is divided by, of shape (out_height, out_width)."""
        rows, columns = (
            _extents(*of_axis, self.spec.mode == "average_inc_pad")
            for of_axis in zip(
                x_shape[2:],
                self.spec.output_shape(x_shape)[2:],
                self.spec.window,
                self.spec.stride,
                self.spec.padding,
                strict=True,
            )
        )
        return np.outer(rows, columns).astype(dtype)


def _reach(shift: int, step: int, size: int, n_outputs: int) -> tuple[slice, slice]:
    """The outputs o with 0 <= o * step + shift < size, and those positions, as slices."""
    first = max(0, -(shift // step))
    last = min(n_outputs, (size - 1 - shift) // step + 1)
    count = max(0, last - first)
    start = first * step + shift
    stop = start + (count - 1) * step + 1 if count else start
    return slice(first, first + count), slice(start, stop, step)


def _extents(
    size: int, n_outputs: int, extent: int, step: int, pad: int, padding_counts: bool
) -> np.ndarray:
    """How many positions of each window along one axis count; at least 1."""
    starts = np.arange(n_outputs) * step - pad
    low, high = (-pad, size + pad) if padding_counts else (0, size)
    counts = np.minimum(starts + extent, high) - np.maximum(starts, low)
    return np.maximum(counts, 1)


def _sample_blocks(x: np.ndarray) -> Iterator[slice]:
    sample_bytes = int(np.prod(x.shape[1:])) * x.itemsize
    return (samples for samples, _ in blocks(len(x), 1, sample_bytes))
