"""Means over windows whose number is given, not their size."""

from __future__ import annotations

from typing import Any

import lasagne
import numpy as np
from lasagne.utils import as_tuple
from theano import tensor

from ..theano_facade import theano_scope

__all__ = ["AdaptivePool2DLayer", "window_shares"]


class AdaptivePool2DLayer(lasagne.layers.Layer):
    """The means over as many windows as are asked for, whatever the size of the maps.

    Of n pixels and m windows along an axis, window i is of the pixels from floor(i · n / m) up to
    ceil((i + 1) · n / m): windows overlap where m does not divide n, and pixels are repeated
    where there are fewer than windows. It is what PyTorch calls ``AdaptiveAvgPool2d``.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width), of known size.
    size : int or (int, int)
        Rows and columns of the result.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the height or the width of its input is not known, or `size` is not above 0.

    Examples
    --------
    >>> from convnet_features.layers import AdaptivePool2DLayer
    >>> AdaptivePool2DLayer((None, 512, 9, 12), size=7).output_shape
    (None, 512, 7, 7)
    """

    def __init__(self, incoming: Any, size: Any, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.size = as_tuple(size, 2)
        if len(self.input_shape) != 4 or None in self.input_shape[2:]:
            raise ValueError(
                f"AdaptivePool2DLayer: its input has the shape {self.input_shape}; it must be "
                "(n_samples, channels, height, width), of known height and width."
            )
        if min(self.size) < 1:
            raise ValueError(f"AdaptivePool2DLayer: size={size!r} must be above 0.")

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        return (*input_shape[:2], *self.size)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        height, width = self.input_shape[2:]
        if (height, width) == self.size:
            return input
        with theano_scope():
            rows, columns = (
                window_shares(*axis) for axis in zip((height, width), self.size, strict=True)
            )
            # (samples · channels · height, width), then the same of the height.
            by_column = tensor.dot(input.reshape((-1, width)), columns.T)
            turned = by_column.reshape((-1, height, self.size[1])).dimshuffle(0, 2, 1)
            by_row = tensor.dot(turned.reshape((-1, height)), rows.T)
            shape = (-1, self.input_shape[1], self.size[1], self.size[0])
            return by_row.reshape(shape).dimshuffle(0, 1, 3, 2)


def window_shares(n_pixels: int, n_windows: int) -> np.ndarray:
    """What share each pixel has in each window, of shape (n_windows, n_pixels)."""
    shares = np.zeros((n_windows, n_pixels), np.float32)
    for window in range(n_windows):
        start = window * n_pixels // n_windows
        stop = -(-(window + 1) * n_pixels // n_windows)
        shares[window, start:stop] = 1 / (stop - start)
    return shares
