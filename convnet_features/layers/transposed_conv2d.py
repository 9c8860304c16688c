"""Transposed convolution, which generators and decoders enlarge images with."""

from __future__ import annotations

from typing import Any

from theano import tensor

from ..ops import transposed_conv2d
from ..ops.conv2d import Conv2DGradInput, checked_spec
from .base_transposed_conv import BaseTransposedConvLayer

__all__ = ["Deconv2DLayer", "TransposedConv2DLayer", "spread"]


class TransposedConv2DLayer(BaseTransposedConvLayer):
    """Spread each pixel over the filters: the backward pass of a convolution, run forwards.

    With stride s, an image of h by w pixels becomes one of
    (h - 1) · s + rows - 2 · crop by (w - 1) · s + columns - 2 · crop: the smallest of which a
    convolution with this stride and padding makes h by w.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    num_filters : int
        Channels of the result.
    filter_size : int or (int, int)
        Rows and columns of a filter.
    stride : int or (int, int), default=(1, 1)
        Rows and columns of the result from one pixel of the input to the next.
    crop : int, (int, int), 'same', 'full' or 'valid', default=0
        Rows and columns that are cut off on either side of the result: what `pad` is of the
        convolution.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (n_channels, num_filters / num_groups, rows, columns).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=False
        Whether the filters are reversed once more: False is the backward pass of Theano's
        convolution, True that of a correlation.
    output_size : int, (int, int) or symbolic vector, optional
        Rows and columns of the result, if it is not the smallest: less than a stride more.
    num_groups : int, default=1
        Groups of channels and of filters.
    dilation : int or (int, int), default=(1, 1)
        Pixels from one row of a filter to the next, and from one column to the next.
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

    References
    ----------
    Zeiler, Krishnan, Taylor and Fergus (2010), "Deconvolutional networks"; Radford, Metz and
    Chintala (2016), "Unsupervised representation learning with deep convolutional generative
    adversarial networks".

    Examples
    --------
    >>> from lasagne.layers import InputLayer
    >>> from convnet_features.layers import TransposedConv2DLayer
    >>> maps = InputLayer((None, 8, 7, 7))
    >>> TransposedConv2DLayer(maps, 4, 4, stride=2, crop=1).output_shape
    (None, 4, 14, 14)
    """

    n = 2

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` spread over the filters, without biases."""
        geometry: dict[str, Any] = {
            "stride": self.stride,
            "padding": self._pads,
            "flip_filters": not self.flip_filters,
            "groups": self.num_groups,
            "dilation": self.dilation,
        }
        if self.extra is not None:
            return transposed_conv2d(
                input, self.W, extra=(self.extra[0], self.extra[1]), **geometry
            )
        rows, columns = self._sizes(input)
        return spread(input, self.W, (self.num_filters, rows, columns), geometry)


def spread(input: Any, filters: Any, shape: tuple[Any, Any, Any], geometry: Any) -> Any:
    """`transposed_conv2d` to a shape (channels, height, width) that only the run knows."""
    # Images of that shape lend it.
    images = tensor.zeros((input.shape[0], *shape), dtype=input.dtype)
    spec, _ = checked_spec("transposed_conv2d", **geometry)
    return Conv2DGradInput(spec)(images, filters, input)


Deconv2DLayer = TransposedConv2DLayer
