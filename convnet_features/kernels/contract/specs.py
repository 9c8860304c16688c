"""What is computed, without data: convolutions and poolings, with their shape rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Conv2DSpec",
    "Pair",
    "Pool2DSpec",
    "PoolMode",
    "StaticShape",
]

Pair = tuple[int, int]
#: A shape some of whose sizes may be unknown (None).
StaticShape = Sequence[int | None]
PoolMode = Literal["max", "sum", "average_inc_pad", "average_exc_pad"]


@dataclass(frozen=True)
class Conv2DSpec:
    """A two-dimensional convolution over zero-padded images.

    Parameters
    ----------
    stride : (int, int)
        Rows and columns from one output to the next.
    padding : ((top, bottom), (left, right))
        Zeros added around each image.
    flip_filters : bool
        True convolves, as Theano does; False correlates.
    groups : int
        Channels and filters are divided into so many groups, in order; the
        filters of a group read the channels of that group alone, so that they
        have the shape (n_filters, n_channels / groups, rows, columns). As many
        groups as channels make a depthwise convolution.
    dilation : (int, int)
        Pixels from one row of a filter to the next, and from one column to the
        next.
    """

    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    flip_filters: bool = True
    groups: int = 1
    dilation: Pair = (1, 1)

    def output_shape(self, x_shape: StaticShape, w_shape: StaticShape) -> tuple[Any, Any, Any, Any]:
        """(n_samples, n_filters, height, width), each (in + pads - extent) // stride + 1.

        A filter extends over (filter - 1) · dilation + 1 pixels. A size that depends
        on an unknown one (None) is unknown.
        """
        rows, columns = (
            None
            if size is None or taps is None
            else max(0, (size + before + after - (taps - 1) * apart - 1) // step + 1)
            for size, taps, step, apart, (before, after) in zip(
                x_shape[2:], w_shape[2:], self.stride, self.dilation, self.padding, strict=True
            )
        )
        return (x_shape[0], w_shape[0], rows, columns)

    def input_shape(
        self, y_shape: StaticShape, w_shape: StaticShape, extra: Pair = (0, 0)
    ) -> tuple[Any, Any, Any, Any]:
        """The shape of the smallest images that give results of `y_shape`, and `extra` more.

        (n_samples, n_channels, height, width), of which the sizes are
        (out - 1) · stride + extent - pads + extra. With fewer rows and columns extra than the
        stride, `output_shape` leads back. A size that depends on an unknown one (None) is unknown.
        """
        sizes = [
            None
            if size is None or taps is None
            else (size - 1) * step + (taps - 1) * apart + 1 - before - after + more
            for size, taps, step, apart, (before, after), more in zip(
                y_shape[2:],
                w_shape[2:],
                self.stride,
                self.dilation,
                self.padding,
                extra,
                strict=True,
            )
        ]
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"a transposed convolution: of images of {y_shape[2]}x{y_shape[3]} pixels, filters "
                f"of {w_shape[2]}x{w_shape[3]} and padding={self.padding} nothing is left."
            )
        channels = None if w_shape[1] is None else w_shape[1] * self.groups
        return (y_shape[0], channels, sizes[0], sizes[1])

    @property
    def is_ordinary(self) -> bool:
        """Whether every filter reads every channel, and pixels side by side."""
        return self.groups == 1 and self.dilation == (1, 1)

    def check_channels(
        self, x_shape: StaticShape, w_shape: StaticShape, who: str = "a convolution"
    ) -> None:
        """Raise ValueError unless the filters are for such images; sizes may be unknown (None)."""
        channels, (n_filters, own) = x_shape[1], w_shape[:2]
        if n_filters is not None and n_filters % self.groups:
            raise ValueError(
                f"{who}: {n_filters} filters cannot be divided into {self.groups} groups."
            )
        if channels is None or own is None or channels == own * self.groups:
            return
        expected = f"{own * self.groups}"
        if self.groups > 1:
            expected += f" ({self.groups} groups of {own})"
        raise ValueError(
            f"{who}: the images have {channels} channels, and the filters are for {expected}; "
            f"their shapes are {tuple(x_shape)} and {tuple(w_shape)}."
        )


@dataclass(frozen=True)
class Pool2DSpec:
    """A reduction over windows of each image.

    Parameters
    ----------
    window, stride : (int, int)
        Rows and columns of a window, and from one window to the next.
    padding : (int, int)
        Rows above and below, and columns left and right, that belong to no
        pixel: -inf for ``max``, 0 for the others. Smaller than the window.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
        The averages divide by the window's size (``inc_pad``; what overhangs
        the padded image is never counted) or by the pixels in it
        (``exc_pad``).
    ignore_border : bool
        True drops windows that overhang the padded image at the bottom or the
        right; False keeps them, clipped (Theano's rule, and only without
        padding).
    """

    window: Pair
    stride: Pair
    padding: Pair = (0, 0)
    mode: PoolMode = "max"
    ignore_border: bool = True

    def output_shape(self, x_shape: StaticShape) -> tuple[Any, Any, Any, Any]:
        """(n_samples, n_channels, out_height, out_width) by Theano's ``Pool.out_shape``.

        A size that depends on an unknown one (None) is unknown.
        """
        rows, columns = (
            None if size is None else self._output_size(size + 2 * pad, extent, step)
            for size, pad, extent, step in zip(
                x_shape[2:], self.padding, self.window, self.stride, strict=True
            )
        )
        return (x_shape[0], x_shape[1], rows, columns)

    def _output_size(self, size: int, extent: int, step: int) -> int:
        if self.ignore_border:
            return max(0, (size - extent) // step + 1)
        if step >= extent:
            return (size - 1) // step + 1
        return max(0, (size - 1 - extent + step) // step) + 1
