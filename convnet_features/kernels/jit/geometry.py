"""Where the maxima of a max pooling lie in the images that were convolved.

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

import numpy as np

from ...locks import lazy_attribute
from ..contract import Conv2DSpec, Pool2DSpec

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

    @lazy_attribute
    def x(self) -> Layout:
        """The images'."""
        return Layout.blocked(self.image, self.lanes)

    @lazy_attribute
    def pooled(self) -> Layout:
        """The pooled images': of their gradient, and of which pixel was the maximum."""
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

    @lazy_attribute
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        return self.pool.output_shape((1, self.filters[0], *self.convolved))[2:]

    @property
    def window_size(self) -> int:
        """Pixels of a window."""
        return self.pool.window[0] * self.pool.window[1]

    @lazy_attribute
    def classes(self) -> tuple[Taps, ...]:
        """Sets of taps that fall on the image, for one place or another."""
        return tuple(dict.fromkeys(self._taps))

    @lazy_attribute
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """For each window and pixel of it: its class, and where the filter's first tap falls.

        Both int32 of shape (n_windows · window_size,). The second, in elements,
        may lie outside the image; the taps of the class do not. Pixels beyond
        the convolved image have zeros.
        """
        rows, columns = self._axes
        # In the order of windows' rows and columns, and then the pixels' in each.
        down, across = (slice(None), None, slice(None), None), (None, slice(None), None)
        inside = rows.inside[down] & columns.inside[across]
        numbers = {taps: number for number, taps in enumerate(self.classes)}
        of_spans = np.array([numbers[taps] for taps in self._taps])
        classes = of_spans[rows.kinds[down] * len(columns.spans) + columns.kinds[across]]
        starts = rows.corners[down] * self.x.row + columns.corners[across] * self.x.column
        return tuple(  # type: ignore[return-value]
            np.where(inside, each, 0).astype(np.int32).ravel() for each in (classes, starts)
        )

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

    @lazy_attribute
    def _taps(self) -> list[Taps]:
        """For each span of rows and each of columns."""
        rows, columns = self._axes
        return [
            tuple(itertools.product(range(*of_rows), range(*of_columns)))
            for of_rows, of_columns in itertools.product(rows.spans, columns.spans)
        ]

    @lazy_attribute
    def _axes(self) -> tuple[_Axis, _Axis]:
        """Along rows, and along columns."""
        return tuple(  # type: ignore[return-value]
            _Axis(*sizes)
            for sizes in zip(
                self.windows,
                self.pool.window,
                self.pool.stride,
                self.convolved,
                self.conv.stride,
                (before for before, _ in self.conv.padding),
                self.filters[1:],
                self.image[1:],
                strict=True,
            )
        )


class _Axis:
    """Places along rows, or along columns.

    Attributes
    ----------
    inside : ndarray of bool, shape (n_windows, extent of a window)
        Whether the pixel is one of the convolved image.
    corners : ndarray of int, of that shape
        Where the filter's first tap falls, perhaps beside the image.
    spans : list of (int, int)
        The first of the taps, and the one behind the last, that fall on the image, as they occur.
    kinds : ndarray of int, of that shape
        Which of the spans.
    """

    def __init__(
        self,
        n_windows: int,
        window: int,
        step: int,
        convolved: int,
        stride: int,
        before: int,
        extent: int,
        size: int,
    ) -> None:
        pixels = np.arange(n_windows)[:, None] * step + np.arange(window)
        self.inside = pixels < convolved
        self.corners = pixels * stride - before
        ends = np.stack([np.maximum(-self.corners, 0), np.minimum(size - self.corners, extent)])
        pairs = list(zip(*(each.ravel().tolist() for each in ends), strict=True))
        inside = self.inside.ravel().tolist()
        self.spans = list(
            dict.fromkeys(pair for pair, is_inside in zip(pairs, inside, strict=True) if is_inside)
        )
        numbers = {span: number for number, span in enumerate(self.spans)}
        self.kinds = np.reshape([numbers.get(pair, 0) for pair in pairs], pixels.shape)
