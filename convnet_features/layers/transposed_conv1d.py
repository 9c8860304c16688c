"""Transposed convolution of rows."""

from __future__ import annotations

from typing import Any

from ..ops import transposed_conv2d
from .base_transposed_conv import BaseTransposedConvLayer
from .transposed_conv2d import spread

__all__ = ["Deconv1DLayer", "TransposedConv1DLayer"]


class TransposedConv1DLayer(BaseTransposedConvLayer):
    """Spread each number of a row over the filters: `TransposedConv2DLayer` of one dimension.

    With stride s, a row of n numbers becomes one of (n - 1) · s + filter_size - 2 · crop.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, length).
    num_filters : int
        Channels of the result.
    filter_size : int or (int,)
        Of a filter.
    stride : int or (int,), default=1
        From one number of the input to the next, in the result.
    crop : int, (int,), 'same', 'full' or 'valid', default=0
        Numbers that are cut off on either side of the result.
    untie_biases, W, b, nonlinearity, flip_filters
        As for `TransposedConv2DLayer`; `W` has the shape
        (n_channels, num_filters / num_groups, filter_size).
    output_size : int, (int,) or symbolic vector, optional
        The length of the result, if it is not the smallest: less than a stride more.
    num_groups, dilation
        As for `TransposedConv2DLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    NotImplementedError
        For ``crop='same'`` with filters of an even size.
    ValueError
        If `output_size` is smaller than the smallest size, or a stride larger.

    Examples
    --------
    >>> from convnet_features.layers import TransposedConv1DLayer
    >>> TransposedConv1DLayer((None, 8, 10), 4, 4, stride=2, crop=1).output_shape
    (None, 4, 20)
    """

    n = 1
    dilation = (1,)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` spread over the filters, without biases."""
        geometry: dict[str, Any] = {
            "stride": (1, *self.stride),
            "padding": ((0, 0), *self._pads),
            "flip_filters": not self.flip_filters,
            "groups": self.num_groups,
            "dilation": (1, *self.dilation),
        }
        # Images of one row.
        images, filters = input.dimshuffle(0, 1, "x", 2), self.W.dimshuffle(0, 1, "x", 2)
        if self.extra is None:
            (length,) = self._sizes(input)
            return spread(images, filters, (self.num_filters, 1, length), geometry)[:, :, 0]
        return transposed_conv2d(images, filters, extra=(0, self.extra[0]), **geometry)[:, :, 0]


Deconv1DLayer = TransposedConv1DLayer
