"""Grouped, depthwise and dilated convolution, in the manner of later Lasagne."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from theano import tensor

from ..theano_facade.lasagne_modules import original
from .base_conv import BaseConvLayer

__all__ = ["Conv2DLayer"]

_Conv2D: Any = original("lasagne.layers.conv", "Conv2DLayer")


class Conv2DLayer(BaseConvLayer, _Conv2D):
    """Lasagne's convolution, with groups of channels and dilated filters too.

    With ``num_groups=g`` the channels are divided into g groups, in order, and so are
    the filters; each filter reads the channels of its own group alone. With as many
    groups as channels the convolution is *depthwise*. With `dilation` (d, e) a filter
    reads every d-th row and every e-th column, so that it extends over
    (rows - 1) · d + 1 by (columns - 1) · e + 1 pixels.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    num_filters : int
        A multiple of `num_groups`.
    filter_size : int or (int, int)
        Rows and columns of a filter.
    stride : int or (int, int), default=(1, 1)
        Rows and columns from one output to the next.
    pad : int, (int, int), 'same', 'full' or 'valid', default=0
        Zeros around each image. 'same' keeps the size at stride 1.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (num_filters, n_channels / num_groups, rows, columns).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=True
        Convolve, as Theano does; False correlates, as most other libraries do.
    num_groups : int, default=1
        Groups of channels and of filters.
    dilation : int or (int, int), default=(1, 1)
        Pixels from one row of a filter to the next, and from one column to the next.
    convolution : callable, default=theano.tensor.nnet.conv2d
        What convolves; it is called with that function's keywords.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    ValueError
        If `num_groups` does not divide the channels and the filters, if it or
        `dilation` is no whole number of at least 1, or if the number of channels is
        unknown.

    References
    ----------
    Krizhevsky, Sutskever and Hinton (2012), "ImageNet classification with deep
    convolutional neural networks", for groups; Yu and Koltun (2016), "Multi-scale
    context aggregation by dilated convolutions".

    Examples
    --------
    >>> from lasagne.layers import InputLayer
    >>> from convnet_features.layers import Conv2DLayer
    >>> depthwise = Conv2DLayer(InputLayer((None, 32, 8, 8)), 32, 3, pad="same", num_groups=32)
    >>> depthwise.W.get_value().shape, depthwise.output_shape
    ((32, 1, 3, 3), (None, 32, 8, 8))
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        num_groups: int = 1,
        dilation: Any = (1, 1),
        convolution: Any = tensor.nnet.conv2d,
        **kwargs: Any,
    ) -> None:
        self.convolution = convolution
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
            n=2,
            **kwargs,
        )

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` convolved with `W`, without biases."""
        return self.convolution(
            input,
            self.W,
            subsample=self.stride,
            border_mode=self._pads,
            filter_flip=self.flip_filters,
            filter_dilation=self.dilation,
            num_groups=self.num_groups,
        )
