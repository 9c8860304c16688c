"""Dilated convolution by its own name, with filters as later Lasagne keeps them."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify

from ..ops import conv2d
from .base_conv import BaseConvLayer

__all__ = ["DilatedConv2DLayer"]


class DilatedConv2DLayer(BaseConvLayer):
    """Correlate images with filters whose rows and columns lie apart.

    `Conv2DLayer` has `dilation` too, together with padding, strides and groups, and keeps its
    filters as all other convolutions do. This one is for code that was written for it.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    num_filters : int
        Channels of the result.
    filter_size : int or (int, int)
        Rows and columns of a filter.
    dilation : int or (int, int), default=(1, 1)
        Pixels from one row of a filter to the next, and from one column to the next.
    pad : 0, default=0
        Nothing else is taken; a `PadLayer` in front pads.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (n_channels, num_filters, rows, columns): channels come first.
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : False, default=False
        Nothing else is taken.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    NotImplementedError
        For other values of `pad` or `flip_filters`.

    Examples
    --------
    >>> from convnet_features.layers import DilatedConv2DLayer
    >>> layer = DilatedConv2DLayer((None, 3, 16, 16), 8, 3, dilation=2)
    >>> layer.W.get_value().shape, layer.output_shape
    ((3, 8, 3, 3), (None, 8, 12, 12))
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        dilation: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            num_filters,
            filter_size,
            1,
            pad,
            untie_biases,
            W,
            b,
            nonlinearity,
            flip_filters,
            dilation=dilation,
            n=2,
            **kwargs,
        )
        if self.pad != (0, 0):
            raise NotImplementedError(
                f"{self._kind} requires pad=0; got {pad!r}. Conv2DLayer takes pad and dilation."
            )
        if self.flip_filters:
            raise NotImplementedError(f"{self._kind} requires flip_filters=False.")

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: (n_channels, num_filters, rows, columns)."""
        return (self.input_shape[1], self.num_filters, *self.filter_size)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` correlated with `W`, without biases."""
        rows, columns = self.dilation
        filters = self.W.dimshuffle(1, 0, 2, 3)
        return conv2d(input, filters, flip_filters=False, dilation=(rows, columns))
