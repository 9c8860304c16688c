"""Convolution of volumes, as two-dimensional convolutions of their slices."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from theano import tensor

from ..ops import conv2d
from .base_conv import BaseConvLayer, zero_padded

__all__ = ["Conv3DLayer"]


class Conv3DLayer(BaseConvLayer):
    """A convolution over the three last axes.

    The slices that a filter reads become the channels of one image, so that the kernels of
    two-dimensional convolution compute it.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, depth, height, width).
    num_filters : int
        A multiple of `num_groups`.
    filter_size : int or (int, int, int)
        Slices, rows and columns of a filter.
    stride : int or (int, int, int), default=(1, 1, 1)
        From one output to the next.
    pad : int, (int, int, int), 'same', 'full' or 'valid', default=0
        Zeros around each volume. 'same' keeps the size at stride 1.
    untie_biases : bool, default=False
        Give each position of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (num_filters, n_channels / num_groups, slices, rows, columns).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=True
        Convolve, as Theano does; False correlates.
    num_groups : int, default=1
        Groups of channels and of filters.
    dilation : int or (int, int, int), default=(1, 1, 1)
        From one tap of a filter to the next.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    ValueError
        If the arguments do not fit together: see `Conv2DLayer`.

    Examples
    --------
    >>> from convnet_features.layers import Conv3DLayer
    >>> Conv3DLayer((None, 3, 16, 32, 32), 8, 3, pad=1, stride=(2, 1, 1)).output_shape
    (None, 8, 8, 32, 32)
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        num_groups: int = 1,
        dilation: Any = (1, 1, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            num_filters,
            filter_size,
            stride,
            pad,
            untie_biases,
            W,
            b,
            nonlinearity,
            flip_filters,
            num_groups,
            dilation,
            n=3,
            **kwargs,
        )

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` convolved with `W`, without biases."""
        slices, rows, columns = self._pads
        input = zero_padded(input, [slices])
        (taps, *taps_of_images), (step, *steps) = self.filter_size, self.stride
        apart, apart_rows, apart_columns = self.dilation
        n_samples, _, depth, height, width = (input.shape[axis] for axis in range(5))
        n_slices = (depth - (taps - 1) * apart - 1) // step + 1
        # Flipped filters read the slices backwards.
        order = range(taps - 1, -1, -1) if self.flip_filters else range(taps)
        last = (n_slices - 1) * step + 1
        read = [input[:, :, k * apart : k * apart + last : step] for k in order]
        # The slices of the result beside the samples, and those that a filter reads beside the
        # channels.
        images = tensor.stack(read, axis=2).dimshuffle(0, 3, 1, 2, 4, 5)
        n_channels = self.input_shape[1] * taps
        convolved = conv2d(
            images.reshape((n_samples * n_slices, n_channels, height, width), ndim=4),
            self.W.reshape((self.num_filters, -1, *taps_of_images), ndim=4),
            stride=tuple(steps),
            padding=(rows, columns),
            flip_filters=self.flip_filters,
            groups=self.num_groups,
            dilation=(apart_rows, apart_columns),
        )
        shape = (n_samples, n_slices, self.num_filters, convolved.shape[2], convolved.shape[3])
        return convolved.reshape(shape, ndim=5).dimshuffle(0, 2, 1, 3, 4)
