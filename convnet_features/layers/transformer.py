"""Spatial transformers: images sampled where a network says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import theano
from lasagne.layers import MergeLayer
from lasagne.utils import as_tuple
from theano import tensor

from ..theano_facade import theano_scope

__all__ = ["TPSTransformerLayer", "TransformerLayer"]

_BORDERS = ("nearest", "mirror", "wrap")


class _SamplingLayer(MergeLayer):
    """Sample images at places that another layer's output determines."""

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        n_numbers: int,
        downsample_factor: Any,
        border_mode: str,
        **kwargs: Any,
    ) -> None:
        super().__init__([incoming, localization_network], **kwargs)
        images, numbers = self.input_shapes
        if len(images) != 4:
            raise ValueError(
                "The input network must have a 4-dimensional output shape: (batch_size, "
                f"num_input_channels, input_rows, input_columns); got {tuple(images)}."
            )
        if len(numbers) != 2 or numbers[-1] != n_numbers:
            raise ValueError(
                "The localization network must have output shape: (batch_size, "
                f"{n_numbers}); got {tuple(numbers)}."
            )
        if border_mode not in _BORDERS:
            raise ValueError(
                f"{type(self).__name__}: border_mode must be one of {_BORDERS}; got "
                f"{border_mode!r}."
            )
        self.downsample_factor = as_tuple(downsample_factor, 2)
        self.border_mode = border_mode

    def get_output_shape_for(self, input_shapes: Sequence[Any]) -> tuple[Any, ...]:
        """The first of `input_shapes`, with its sizes divided by the factor."""
        images = input_shapes[0]
        sizes = (
            None if size is None else int(size / factor)
            for size, factor in zip(images[2:], self.downsample_factor, strict=True)
        )
        return (*images[:2], *sizes)

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The symbolic output for the symbolic `inputs`, of shape `output_shape`."""
        images, numbers = map(tensor.as_tensor_variable, inputs)
        with theano_scope():
            sizes = [
                tensor.cast(images.shape[axis] / factor, "int64") if known is None else known
                for axis, known, factor in zip(
                    (2, 3), self.output_shape[2:], self.downsample_factor, strict=True
                )
            ]
            x, y = self._places(numbers, *sizes)
            return _sampled(images, x, y, sizes, self.border_mode)

    def _places(self, numbers: Any, height: Any, width: Any) -> tuple[Any, Any]:
        """Where to sample, from -1 to 1: x and y, each of shape (n_samples, height · width)."""
        raise NotImplementedError


class TransformerLayer(_SamplingLayer):
    """An affine map of each image, which another layer's six numbers say.

    The numbers are the rows of a matrix that maps (x, y, 1) of the result to the x and the y of
    the input to look at; both run from -1 to 1 over the image. Between pixels the four nearest
    are interpolated. (1, 0, 0, 0, 1, 0) leaves an image as it is.

    Parameters
    ----------
    incoming : Layer, or tuple
        What is sampled, of shape (n_samples, n_channels, height, width).
    localization_network : Layer
        Of shape (n_samples, 6).
    downsample_factor : float or (float, float), default=1
        How many times smaller the result is, in rows and columns.
    border_mode : {'nearest', 'mirror', 'wrap'}, default='nearest'
        What lies outside the image: its nearest pixel, its mirror image, or itself once more.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the shapes are others, or for another border mode.

    References
    ----------
    Jaderberg, Simonyan, Zisserman and Kavukcuoglu (2015), "Spatial transformer networks".

    Examples
    --------
    >>> import numpy as np
    >>> from lasagne.init import Constant
    >>> from lasagne.layers import DenseLayer, InputLayer
    >>> from convnet_features.layers import TransformerLayer
    >>> images = InputLayer((None, 3, 28, 28))
    >>> same = np.array([1, 0, 0, 0, 1, 0], dtype="float32")
    >>> numbers = DenseLayer(images, 6, W=Constant(0.0), b=same, nonlinearity=None)
    >>> TransformerLayer(images, numbers, downsample_factor=2).output_shape
    (None, 3, 14, 14)
    """

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, localization_network, 6, downsample_factor, border_mode, **kwargs
        )

    def _places(self, numbers: Any, height: Any, width: Any) -> tuple[Any, Any]:
        x, y = _grid(height, width)
        matrices = numbers.reshape((-1, 2, 3, 1), ndim=4)
        placed = matrices[:, :, 0] * x + matrices[:, :, 1] * y + matrices[:, :, 2]
        return placed[:, 0], placed[:, 1]


class TPSTransformerLayer(_SamplingLayer):
    """A bending of each image by thin plate splines, as another layer says.

    Control points lie on a regular grid from -1 to 1. The other layer says for each how far it
    moves, first all in x, then all in y; what lies between them bends as a thin plate would. Zeros
    leave an image as it is.

    Parameters
    ----------
    incoming : Layer, or tuple
        What is sampled, of shape (n_samples, n_channels, height, width).
    localization_network : Layer
        Of shape (n_samples, 2 · control_points).
    downsample_factor : float or (float, float), default=1
        How many times smaller the result is, in rows and columns.
    control_points : int, default=16
        The square of a whole number of at least 2.
    precompute_grid : 'auto' or bool, default='auto'
        Without effect: what can be computed beforehand is.
    border_mode : {'nearest', 'mirror', 'wrap'}, default='nearest'
        What lies outside the image: its nearest pixel, its mirror image, or itself once more.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the shapes are others, if `control_points` is no such number, or for another border
        mode.

    References
    ----------
    Jaderberg, Simonyan, Zisserman and Kavukcuoglu (2015), "Spatial transformer networks";
    Bookstein (1989), "Principal warps: thin-plate splines and the decomposition of deformations".

    Examples
    --------
    >>> from lasagne.init import Constant
    >>> from lasagne.layers import DenseLayer, InputLayer
    >>> from convnet_features.layers import TPSTransformerLayer
    >>> images = InputLayer((None, 3, 28, 28))
    >>> numbers = DenseLayer(images, 32, W=Constant(0.0), nonlinearity=None)
    >>> TPSTransformerLayer(images, numbers).output_shape
    (None, 3, 28, 28)
    """

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        control_points: int = 16,
        precompute_grid: Any = "auto",
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        side = int(np.sqrt(control_points) + 0.5)
        if side * side != control_points or side < 2:
            raise ValueError(
                f"{type(self).__name__}: the number of control points must be a perfect square of "
                f"at least 4; got {control_points}."
            )
        super().__init__(
            incoming,
            localization_network,
            2 * control_points,
            downsample_factor,
            border_mode,
            **kwargs,
        )
        self.control_points = control_points
        line = np.linspace(-1, 1, side)
        #: The control points, of shape (2, control_points): x and y.
        self.source_points = np.stack([axis.ravel() for axis in np.meshgrid(line, line)])

    def _places(self, numbers: Any, height: Any, width: Any) -> tuple[Any, Any]:
        x, y = _grid(height, width)
        own_x, own_y = self.source_points.astype(theano.config.floatX)[:, :, None]
        squares = (x[None] - own_x) ** 2 + (y[None] - own_y) ** 2
        # r² · log(r²), which is 0 at 0.
        bent = squares * tensor.log(tensor.maximum(squares, 1e-12))
        features = tensor.concatenate([tensor.stack([tensor.ones_like(x), x, y]), bent])
        moved = numbers.reshape((-1, 2, self.control_points), ndim=3)
        moved = moved + self.source_points.astype(numbers.dtype)
        placed = tensor.dot(tensor.dot(moved, self._solution().astype(numbers.dtype)), features)
        return placed[:, 0], placed[:, 1]

    def _solution(self) -> np.ndarray:
        """From where the control points go to the splines' coefficients, transposed."""
        x, y = self.source_points
        count = self.control_points
        squares = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
        bent = squares * np.log(np.where(squares > 0, squares, 1.0))
        affine = np.stack([np.ones(count), x, y], axis=1)
        # Rows: each control point goes where it should; the bending has no affine part.
        system = np.zeros((count + 3, count + 3))
        system[:count, :3], system[:count, 3:], system[count:, 3:] = affine, bent, affine.T
        return np.linalg.inv(system)[:, :count].T


def _grid(height: Any, width: Any) -> tuple[Any, Any]:
    """x and y of each pixel, from -1 to 1, row by row."""

    def line(size: Any) -> Any:
        if isinstance(size, int):
            return tensor.constant(np.linspace(-1, 1, size, dtype=theano.config.floatX))
        steps = tensor.cast(tensor.maximum(size - 1, 1), theano.config.floatX)
        return tensor.arange(size, dtype=theano.config.floatX) * (2 / steps) - 1

    x, y = line(width).dimshuffle("x", 0), line(height).dimshuffle(0, "x")
    return (x + 0 * y).flatten(), (y + 0 * x).flatten()


def _sampled(images: Any, x: Any, y: Any, sizes: Sequence[Any], border_mode: str) -> Any:
    """`images` at places from -1 to 1, between the four nearest pixels."""
    n_samples, channels, height, width = (images.shape[axis] for axis in range(4))
    n_places = sizes[0] * sizes[1]
    rows, row_shares = _neighbours(y, height, border_mode)
    columns, column_shares = _neighbours(x, width, border_mode)
    pixels = images.dimshuffle(0, 2, 3, 1).reshape((n_samples * height * width, channels), ndim=2)
    first = (tensor.arange(n_samples) * (height * width)).dimshuffle(0, "x")
    total: Any = 0
    for row, row_share in zip(rows, row_shares, strict=True):
        for column, column_share in zip(columns, column_shares, strict=True):
            found = pixels[(first + row * width + column).flatten()]
            total = total + found * (row_share * column_share).flatten().dimshuffle(0, "x")
    by_place = total.reshape((n_samples, n_places, channels), ndim=3)
    shape = (n_samples, channels, *sizes)
    return by_place.dimshuffle(0, 2, 1).reshape(shape, ndim=4)


def _neighbours(place: Any, size: Any, border_mode: str) -> tuple[list[Any], list[Any]]:
    """The two pixels along an axis around each place, and their shares."""
    place = (place + 1) / 2 * tensor.cast(size - 1, place.dtype)
    below = tensor.floor(place)
    shares = [below + 1 - place, place - below]
    whole = tensor.cast(below, "int64")
    return [_inside(each, size, border_mode) for each in (whole, whole + 1)], shares


def _inside(pixel: Any, size: Any, border_mode: str) -> Any:
    """The number of a pixel that stands for one that may lie outside."""
    if border_mode == "wrap":
        return pixel % size
    if border_mode == "mirror":
        period = tensor.maximum(2 * (size - 1), 1)
        return tensor.minimum(pixel % period, -pixel % period)
    return tensor.clip(pixel, 0, size - 1)
