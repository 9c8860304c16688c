"""Transposed convolution, which generators and decoders enlarge images with."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from lasagne.utils import as_tuple
from pytensor.graph.basic import Variable
from theano import tensor

from ..ops import transposed_conv2d
from ..ops.conv2d import Conv2DGradInput, checked_spec
from .base_conv import BaseConvLayer, conv_input_length

__all__ = ["Deconv2DLayer", "TransposedConv2DLayer"]


class TransposedConv2DLayer(BaseConvLayer):
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

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        crop: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        output_size: Any = None,
        num_groups: int = 1,
        dilation: Any = (1, 1),
        **kwargs: Any,
    ) -> None:
        is_same = isinstance(crop, str) and crop == "same"
        if is_same and any(taps % 2 == 0 for taps in as_tuple(filter_size, 2)):
            raise NotImplementedError(
                f"{type(self).__name__}: crop='same' requires odd filter size; got {filter_size}."
            )
        symbolic = isinstance(output_size, Variable)
        whole = symbolic or output_size is None
        self.output_size = output_size if whole else as_tuple(output_size, 2, int)
        super().__init__(
            incoming,
            num_filters,
            filter_size,
            stride,
            crop,
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
        self._check_output_size()

    @property
    def crop(self) -> Any:
        """What is cut off the result: the padding of the convolution."""
        return self.pad

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: (n_channels, num_filters / num_groups, rows, columns)."""
        return (self.input_shape[1], self.num_filters // self.num_groups, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        if isinstance(self.output_size, Variable):
            return (input_shape[0], self.num_filters, None, None)
        if self.output_size is None:
            return (input_shape[0], self.num_filters, *self._smallest(input_shape[2:]))
        return (input_shape[0], self.num_filters, *self.output_size)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` spread over the filters, without biases."""
        geometry: dict[str, Any] = {
            "stride": self.stride,
            "padding": self._pads,
            "flip_filters": not self.flip_filters,
            "groups": self.num_groups,
            "dilation": self.dilation,
        }
        extra = self.extra
        if extra is not None:
            return transposed_conv2d(input, self.W, extra=extra, **geometry)
        # A size that only the run knows: images of that size lend it.
        spec, _ = checked_spec(self._kind, **geometry)
        sizes = (self.output_size[0], self.output_size[1])
        images = tensor.zeros((input.shape[0], self.num_filters, *sizes), dtype=input.dtype)
        return Conv2DGradInput(spec)(images, self.W, input)

    @property
    def extra(self) -> tuple[int, int] | None:
        """Rows and columns beyond the smallest result; None if only the run knows."""
        if self.output_size is None:
            return (0, 0)
        rows, columns = self._smallest(self.input_shape[2:])
        if isinstance(self.output_size, Variable) or rows is None or columns is None:
            return None
        return self.output_size[0] - rows, self.output_size[1] - columns

    def _smallest(self, sizes: Any) -> tuple[int | None, ...]:
        return tuple(
            conv_input_length(size, extent, step, before)
            for size, extent, step, (before, _) in zip(
                sizes, self._extents, self.stride, self._pads, strict=True
            )
        )

    def _check_output_size(self) -> None:
        extra = self.extra or (0, 0)
        if any(not 0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
            smallest = self._smallest(self.input_shape[2:])
            raise ValueError(
                f"{self._kind}: output_size={self.output_size} does not fit: its input gives "
                f"{smallest[0]}x{smallest[1]} pixels, and with stride={self.stride} an "
                "output_size may exceed them by less than a stride."
            )


Deconv2DLayer = TransposedConv2DLayer
