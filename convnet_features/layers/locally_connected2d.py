"""Convolution with filters of its own for each pixel."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify

from ..theano_facade.windows import padded
from .base_conv import BaseConvLayer

__all__ = ["LocallyConnected2DLayer"]


class LocallyConnected2DLayer(BaseConvLayer):
    """A convolution whose filters differ from pixel to pixel.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width), of which only the
        number of samples may be unknown.
    num_filters : int
        Channels of the result.
    filter_size : int or (int, int)
        Rows and columns of a filter.
    stride : 1 or (1, 1), default=(1, 1)
        Nothing else is taken.
    pad : 'same', default='same'
        Nothing else is taken.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of shape (num_filters, n_channels, rows, columns, height, width), without
        n_channels if `channelwise`.
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=True
        Convolve, as Theano does; False correlates.
    channelwise : bool, default=False
        Let each filter read the channel of its own number alone.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    NotImplementedError
        For other values of `stride` or `pad`.
    ValueError
        If a size is unknown, or if there are not as many filters as channels with
        `channelwise`.

    Examples
    --------
    >>> from convnet_features.layers import LocallyConnected2DLayer
    >>> layer = LocallyConnected2DLayer((None, 1, 8, 8), 2, 3)
    >>> layer.W.get_value().shape, layer.output_shape
    ((2, 1, 3, 3, 8, 8), (None, 2, 8, 8))
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = "same",
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        channelwise: bool = False,
        **kwargs: Any,
    ) -> None:
        self.channelwise = channelwise
        if not (isinstance(pad, str) and pad == "same"):
            raise NotImplementedError(f"{self._kind} requires pad='same'; got {pad!r}.")
        if stride not in (1, (1, 1), [1, 1]):
            raise NotImplementedError(f"{self._kind} requires stride=1 / (1, 1); got {stride!r}.")
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
            n=2,
            **kwargs,
        )

    def _check_groups(self) -> None:
        if None in self.input_shape[1:]:
            raise ValueError(
                f"A {self._kind} requires a fixed input shape (except for the batch size); got "
                f"{self.input_shape}."
            )
        if self.channelwise and self.num_filters != self.input_shape[1]:
            raise ValueError(
                f"{self._kind}: num_filters and the number of input channels should match when "
                f"channelwise is true; got {self.num_filters} and {self.input_shape[1]}."
            )

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: see the class."""
        channels = () if self.channelwise else (self.input_shape[1],)
        return (self.num_filters, *channels, *self.filter_size, *self.input_shape[2:])

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` times the filters of each pixel, without biases: a sum over their taps."""
        height, width = self.input_shape[2:]
        rows, columns = self.filter_size
        surrounded = padded(input, self._pads)
        total: Any = 0
        for i in range(rows):
            for j in range(columns):
                pixels = surrounded[:, :, i : i + height, j : j + width]
                a, b = (rows - 1 - i, columns - 1 - j) if self.flip_filters else (i, j)
                if self.channelwise:
                    total = total + pixels * self.W[:, a, b]
                else:
                    every = pixels.dimshuffle(0, "x", 1, 2, 3) * self.W[:, :, a, b]
                    total = total + every.sum(axis=2)
        return total
