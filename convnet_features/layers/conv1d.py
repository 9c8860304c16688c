"""One-dimensional convolution with the arguments of later Lasagne."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from lasagne.theano_extensions import conv as implementations
from theano import tensor

from ..theano_facade.lasagne_modules import original
from ..theano_facade.windows import padded
from .base_conv import BaseConvLayer

__all__ = ["Conv1DLayer"]

_Conv1D: Any = original("lasagne.layers.conv", "Conv1DLayer")


class Conv1DLayer(BaseConvLayer, _Conv1D):
    """Lasagne's convolution of rows, with `flip_filters`, groups and dilated filters too.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, length).
    num_filters : int
        A multiple of `num_groups`.
    filter_size : int or (int,)
        Of a filter.
    stride : int or (int,), default=1
        From one output to the next.
    pad : int, (int,), 'same', 'full' or 'valid', default=0
        Zeros before and behind each row. 'same' keeps the size at stride 1.
    untie_biases : bool, default=False
        Give each position of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (num_filters, n_channels / num_groups, filter_size).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=True
        Convolve, as Theano does; False correlates.
    num_groups : int, default=1
        Groups of channels and of filters.
    dilation : int or (int,), default=1
        Positions from one tap of a filter to the next.
    convolution : callable, default=lasagne.theano_extensions.conv.conv1d_mc0
        What convolves. One that is not of that module is called with padded rows and with
        that function's keywords, and knows of no groups and no dilation.
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
    >>> from convnet_features.layers import Conv1DLayer
    >>> Conv1DLayer((None, 3, 20), 4, 5, stride=2, flip_filters=False).output_shape
    (None, 4, 8)
    """

    n = 1
    dilation = (1,)

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        num_groups: int = 1,
        dilation: Any = 1,
        convolution: Any = implementations.conv1d_mc0,
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
            n=1,
            **kwargs,
        )
        if not self._is_plain and (self.num_groups != 1 or self.dilation != (1,)):
            raise ValueError(
                f"{self._kind}: num_groups and dilation need the default convolution; got "
                f"convolution={convolution!r}."
            )

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` convolved with `W`, without biases."""
        if self._is_plain:
            # Images of one row.
            return tensor.nnet.conv2d(
                input.dimshuffle(0, 1, "x", 2),
                self.W.dimshuffle(0, 1, "x", 2),
                subsample=(1, *self.stride),
                border_mode=((0, 0), *self._pads),
                filter_flip=self.flip_filters,
                filter_dilation=(1, *self.dilation),
                num_groups=self.num_groups,
            )[:, :, 0, :]
        (pad,) = self._pads
        length = self.input_shape[2]
        return self.convolution(
            padded(input, [pad]),
            self.W if self.flip_filters else self.W[:, :, ::-1],
            subsample=self.stride,
            image_shape=(*self.input_shape[:2], None if length is None else length + sum(pad)),
            filter_shape=self.get_W_shape(),
            border_mode="valid",
        )

    @property
    def _is_plain(self) -> bool:
        return getattr(self.convolution, "__module__", None) == implementations.__name__
