"""Pooling of rows and volumes, and pyramids of poolings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lasagne.layers import Layer
from lasagne.layers.pool import pool_output_length
from lasagne.utils import as_tuple
from theano import tensor
from theano.tensor.signal.pool import pool_2d, pool_3d

from ..theano_facade import theano_scope

__all__ = [
    "MaxPool3DLayer",
    "Pool1DLayer",
    "Pool3DLayer",
    "SpatialPyramidPoolingLayer",
]


class _PoolLayer(Layer):
    """Pooling over the last n axes."""

    n: int

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        mode: str = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        if len(self.input_shape) != self.n + 2:
            raise ValueError(
                f"Tried to create a {self.n}D pooling layer with input shape "
                f"{tuple(self.input_shape)}. Expected {self.n + 2} input dimensions (samples, "
                f"channels, and {self.n} more)."
            )
        self.pool_size = as_tuple(pool_size, self.n)
        self.stride = self.pool_size if stride is None else as_tuple(stride, self.n)
        self.pad = as_tuple(pad, self.n)
        self.ignore_border = ignore_border
        self.mode = mode

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        sizes = (
            pool_output_length(size, extent, step, before, self.ignore_border)
            for size, extent, step, before in zip(
                input_shape[2:], self.pool_size, self.stride, self.pad, strict=True
            )
        )
        return (*input_shape[:2], *sizes)


class Pool1DLayer(_PoolLayer):
    """The maximum, sum or average of windows of rows.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, length).
    pool_size : int or (int,)
        Of a window.
    stride : int or (int,), default=pool_size
        From one window to the next.
    pad : int or (int,), default=0
        Before and behind each row; less than `pool_size`.
    ignore_border : bool, default=True
        Drop windows that overhang the row.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}, default='max'
        The averages count padding, or do not.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from convnet_features.layers import Pool1DLayer
    >>> Pool1DLayer((None, 3, 20), 4, stride=2, mode="average_inc_pad").output_shape
    (None, 3, 9)
    """

    n = 1

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output for the symbolic `input`, of shape `output_shape`."""
        with theano_scope():
            pooled = pool_2d(
                tensor.as_tensor_variable(input).dimshuffle(0, 1, 2, "x"),
                ws=(*self.pool_size, 1),
                stride=(*self.stride, 1),
                pad=(*self.pad, 0),
                ignore_border=self.ignore_border,
                mode=self.mode,
            )
            return pooled[:, :, :, 0]


class Pool3DLayer(_PoolLayer):
    """The maximum, sum or average of windows of volumes.

    Each of them is taken of the rows and columns of every slice, and then along the slices.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, depth, height, width).
    pool_size : int or (int, int, int)
        Of a window.
    stride : int or (int, int, int), default=pool_size
        From one window to the next.
    pad : int or (int, int, int), default=0
        Around each volume; less than `pool_size`.
    ignore_border : bool, default=True
        Drop windows that overhang the volume.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}, default='max'
        The averages count padding, or do not.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from convnet_features.layers import Pool3DLayer
    >>> Pool3DLayer((None, 3, 8, 16, 16), (1, 2, 2)).output_shape
    (None, 3, 8, 8, 8)
    """

    n = 3

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output for the symbolic `input`, of shape `output_shape`."""
        with theano_scope():
            return pool_3d(
                tensor.as_tensor_variable(input),
                ws=self.pool_size,
                stride=self.stride,
                pad=self.pad,
                ignore_border=self.ignore_border,
                mode=self.mode,
            )


class MaxPool3DLayer(Pool3DLayer):
    """The maximum of windows of volumes.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, depth, height, width).
    pool_size : int or (int, int, int)
        Of a window.
    stride : int or (int, int, int), default=pool_size
        From one window to the next.
    pad : int or (int, int, int), default=0
        Around each volume; less than `pool_size`.
    ignore_border : bool, default=True
        Drop windows that overhang the volume.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from convnet_features.layers import MaxPool3DLayer
    >>> MaxPool3DLayer((None, 3, 8, 16, 16), 2).output_shape
    (None, 3, 4, 8, 8)
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode="max", **kwargs)


class SpatialPyramidPoolingLayer(Layer):
    """As many numbers a channel for images of any size: poolings into grids of a few cells.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    pool_dims : list of int, default=[4, 2, 1]
        Rows and columns of the grids.
    mode : {'max', 'average_inc_pad', 'average_exc_pad'}, default='max'
        How each cell is reduced.
    implementation : {'fast', 'kaiming', 'stretch'}, default='fast'
        'fast' takes windows of one size, which leave pixels at the border out where the
        sizes do not divide; images must not be smaller than the grids. 'kaiming' divides each
        image as the paper does, into cells that may differ in size and overlap. 'stretch'
        enlarges images by repeating pixels, so that cells of one size fit: its maxima are those of
        'kaiming', and in its averages a pixel counts by its share in a cell.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the input has not four dimensions, if 'fast' is to pool images that are known to be
        smaller than a grid, or for another mode or implementation.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, Spatial Pyramid Pooling in Deep Convolutional Networks for
    Visual Recognition, 2014.

    Examples
    --------
    >>> from convnet_features.layers import SpatialPyramidPoolingLayer
    >>> SpatialPyramidPoolingLayer((None, 8, 13, 17)).output_shape
    (None, 8, 21)
    """

    def __init__(
        self,
        incoming: Any,
        pool_dims: Sequence[int] = (4, 2, 1),
        mode: str = "max",
        implementation: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        who = type(self).__name__
        if len(self.input_shape) != 4:
            raise ValueError(
                f"Tried to create a SPP layer with input shape {tuple(self.input_shape)}. Expected "
                "4 input dimensions (samples, channels, height, width)."
            )
        if mode not in ("max", "average_inc_pad", "average_exc_pad"):
            raise ValueError(
                f"{who}: mode must be 'max', 'average_inc_pad' or 'average_exc_pad'; got {mode!r}."
            )
        if implementation not in ("fast", "kaiming", "stretch"):
            raise ValueError(
                f"{who}: implementation must be 'fast', 'kaiming' or 'stretch'; got "
                f"{implementation!r}."
            )
        known = [size for size in self.input_shape[2:] if size is not None]
        if implementation == "fast" and known and min(known) < max(pool_dims):
            raise ValueError(
                f"{who}: its input has the shape {tuple(self.input_shape)}, smaller than the grid "
                f"of {max(pool_dims)}x{max(pool_dims)} cells; use implementation='kaiming', or "
                "fewer cells in pool_dims."
            )
        self.pool_dims = pool_dims
        self.mode = mode
        self.implementation = implementation

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """(n_samples, n_channels, cells of all grids) for an input of `input_shape`."""
        return (*input_shape[:2], sum(count * count for count in self.pool_dims))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output for the symbolic `input`, of shape `output_shape`."""
        with theano_scope():
            images = tensor.as_tensor_variable(input)
            return tensor.concatenate([self._grid(images, n) for n in self.pool_dims], axis=2)

    def _grid(self, images: Any, count: int) -> Any:
        """`images` reduced to `count` cells along both axes, one behind the other."""
        sizes = [
            images.shape[axis] if self.input_shape[axis] is None else self.input_shape[axis]
            for axis in (2, 3)
        ]
        if self.implementation == "fast":
            return self._windows(images, count, sizes)
        if self.implementation == "stretch":
            images = images.repeat(count, axis=2).repeat(count, axis=3)
            sizes = [size * count for size in sizes]
        return self._cells(images, count, sizes, _part)

    def _windows(self, images: Any, count: int, sizes: list[Any]) -> Any:
        """By pooling, where it can be told beforehand how large its windows are."""
        if not all(isinstance(size, int) for size in sizes):
            return self._cells(images, count, sizes, _window)
        pooled = pool_2d(
            images,
            ws=tuple(-(-size // count) for size in sizes),
            stride=tuple(size // count for size in sizes),
            ignore_border=True,
            mode=self.mode,
        )
        return pooled[:, :, :count, :count].flatten(3)

    def _cells(self, images: Any, count: int, sizes: list[Any], part: Any) -> Any:
        reduce = tensor.max if self.mode == "max" else tensor.mean
        rows, columns = ([part(size, i, count) for i in range(count)] for size in sizes)
        cells = [
            reduce(images[:, :, row, column], axis=(2, 3)) for row in rows for column in columns
        ]
        return tensor.stack(cells, axis=2)


def _part(size: Any, number: int, count: int) -> slice:
    """One of `count` parts of an axis, from the pixel that it begins in to that it ends in."""
    return slice(size * number // count, -((-size * (number + 1)) // count))


def _window(size: Any, number: int, count: int) -> slice:
    """One of `count` windows of one size along an axis."""
    start = size // count * number
    return slice(start, start - (-size // count))
