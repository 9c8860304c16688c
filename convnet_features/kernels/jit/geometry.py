"""Where the winners of a max pooling lie in the images that were convolved.

Of a pooling's window one pixel gets the gradient, the others get zeros. So of
the gradient of a convolution that is followed by a pooling of 2×2, three
quarters are zeros, and more where a rectify made zeros of the maxima. What
remains is a list of (place, number), and a *place* is described here: by how
far into the image the first row and column of the filter lie, and by which of
the filter's taps fall on the image and not beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convnet_features.kernels.contract import Conv2DSpec, Pool2DSpec

__all__ = ["Geometry", "Layout", "Taps"]

#: (row, column) of each tap of a filter that counts.
Taps = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Layout:
    """How images lie in memory: blocks of `lanes` channels, each pixel's side by side.

    Attributes
    ----------
    lanes : int
        Channels that are neighbours. The number of channels is rounded up to
        full blocks, and what is added is zero.
    sample, block, row, column : int
        From one to the next, in elements.
    """

    lanes: int
    sample: int
    block: int
    row: int
    column: int

    @classmethod
    def channels_last(cls, shape: Sequence[int], lanes: int) -> Layout:
        """Images of shape (..., channels, height, width), the channels of a pixel together.

        Their number is a multiple of `lanes`.
        """
        channels, height, width = shape[-3:]
        return cls(lanes, height * width * channels, lanes, width * channels, channels)

    @classmethod
    def blocked(cls, shape: Sequence[int], lanes: int) -> Layout:
        """Images of shape (..., channels, height, width) in one plane for each block."""
        channels, height, width = shape[-3:]
        plane = height * width * lanes
        return cls(lanes, -(-channels // lanes) * plane, plane, width * lanes, lanes)


@dataclass(frozen=True)
class Geometry:
    """A convolution and the max pooling behind it, without the number of samples.

    Parameters
    ----------
    conv : Conv2DSpec
        A correlation: filters come flipped already.
    pool : Pool2DSpec
        Without padding.
    image : (int, int, int)
        Channels, height and width.
    filters : (int, int, int)
        How many there are, their rows and columns.
    lanes : int
        Of the blocks of channels, in images and in filters.
    """

    conv: Conv2DSpec
    pool: Pool2DSpec
    image: tuple[int, int, int]
    filters: tuple[int, int, int]
    lanes: int

    @cached_property
    def x(self) -> Layout:
        """The images'."""
        return Layout.blocked(self.image, self.lanes)

    @cached_property
    def pooled(self) -> Layout:
        """The pooled images': of their gradient, and of which pixel won."""
        return Layout.blocked((self.filters[0], *self.windows), self.lanes)

    @property
    def n_blocks(self) -> int:
        """Blocks of channels of an image."""
        return -(-self.image[0] // self.lanes)

    @property
    def filter_size(self) -> int:
        """From one filter to the next: [block][row][column][lane]."""
        _, rows, columns = self.filters
        return self.n_blocks * rows * columns * self.lanes

    @cached_property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        return self.pool.output_shape((1, self.filters[0], *self.convolved))[2:]

    @property
    def window_size(self) -> int:
        """Pixels of a window."""
        return self.pool.window[0] * self.pool.window[1]

    @cached_property
    def classes(self) -> tuple[Taps, ...]:
        """Sets of taps that fall on the image, for one place or another."""
        return tuple(dict.fromkeys(self._taps(*place) for place in self._places if place))

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """For each window and pixel of it: its class, and where the filter's first tap falls.

        Both int32 of shape (n_windows · window_size,). The second, in elements,
        may lie outside the image; the taps of the class do not.
        """
        indices = {taps: index for index, taps in enumerate(self.classes)}
        classes = [indices[self._taps(*place)] if place else 0 for place in self._places]
        starts = [self._start(*place) if place else 0 for place in self._places]
        return np.array(classes, np.int32), np.array(starts, np.int32)

    @property
    def windows_are_inside(self) -> bool:
        """Whether no window overhangs the convolved image."""
        return all(
            (count - 1) * step + extent <= size
            for count, step, extent, size in zip(
                self.windows, self.pool.stride, self.pool.window, self.convolved, strict=True
            )
        )

    @property
    def convolved(self) -> tuple[int, int]:
        """Rows and columns of the convolved images."""
        count, rows, columns = self.filters
        shape = (count, self.image[0], rows, columns)
        return self.conv.output_shape((1, *self.image), shape)[2:]

    @cached_property
    def _places(self) -> list[tuple[int, int] | None]:
        """The convolved pixel of each window and pixel of it; None beyond the border."""
        rows, columns = self.convolved
        (down, right), (height, width) = self.pool.stride, self.pool.window
        pixels = (
            (window_row * down + row, window_column * right + column)
            for window_row, window_column, row, column in itertools.product(
                *map(range, self.windows), range(height), range(width)
            )
        )
        return [
            (row, column) if row < rows and column < columns else None for row, column in pixels
        ]

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        """The pixel of the image, perhaps beside it, under a filter's first tap."""
        (top, _), (left, _) = self.conv.padding
        return row * self.conv.stride[0] - top, column * self.conv.stride[1] - left

    def _start(self, row: int, column: int) -> int:
        top, left = self._corner(row, column)
        return top * self.x.row + left * self.x.column

    def _taps(self, row: int, column: int) -> Taps:
        (_, height, width), (_, rows, columns) = self.image, self.filters
        top, left = self._corner(row, column)
        return tuple(
            (r, c)
            for r, c in itertools.product(range(rows), range(columns))
            if 0 <= top + r < height and 0 <= left + c < width
        )
