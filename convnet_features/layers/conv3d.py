"""Convolution of volumes, as two-dimensional convolutions of their slices."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from theano.tensor import nnet

from .base_conv import BaseConvLayer

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
        return nnet.conv3d(
            input,
            self.W,
            border_mode=self._pads,
            subsample=self.stride,
            filter_flip=self.flip_filters,
            filter_dilation=self.dilation,
            num_groups=self.num_groups,
        )
