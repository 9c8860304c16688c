"""What transposed convolutions of any number of dimensions have in common."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.nonlinearities import rectify
from lasagne.utils import as_tuple
from pytensor.graph.basic import Variable
from pytensor.raise_op import Assert
from theano import tensor

from .base_conv import BaseConvLayer, conv_input_length

__all__ = ["BaseTransposedConvLayer"]


class BaseTransposedConvLayer(BaseConvLayer):
    """The backward pass of a convolution over the last n axes, for subclasses that `convolve`.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, untie_biases, W, b, nonlinearity
        As for `BaseConvLayer`, with filters of shape (n_channels, num_filters / num_groups, ...).
    crop : int, tuple of n int, 'same', 'full' or 'valid', default=0
        What is cut off on either side of the result: what `pad` is of the convolution.
    flip_filters : bool, default=False
        Whether the filters are reversed once more.
    output_size : int, tuple of n int or symbolic vector, optional
        The sizes of the result, if they are not the smallest: each less than a stride more.
    num_groups, dilation
        As for `BaseConvLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    NotImplementedError
        For ``crop='same'`` with filters of an even size.
    ValueError
        If `output_size` is smaller than the smallest size, or a stride larger.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        crop: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        output_size: Any = None,
        num_groups: int = 1,
        dilation: Any = 1,
        **kwargs: Any,
    ) -> None:
        is_same = isinstance(crop, str) and crop == "same"
        if is_same and any(taps % 2 == 0 for taps in as_tuple(filter_size, self.n)):
            raise NotImplementedError(
                f"{type(self).__name__}: crop='same' requires odd filter size; got {filter_size}."
            )
        symbolic = isinstance(output_size, Variable)
        whole = symbolic or output_size is None
        self.output_size = output_size if whole else as_tuple(output_size, self.n, int)
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
            n=self.n,
            **kwargs,
        )
        self._check_output_size()

    @property
    def crop(self) -> Any:
        """What is cut off the result: the padding of the convolution."""
        return self.pad

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: ``(n_channels, num_filters / num_groups, *filter_size)``."""
        return (self.input_shape[1], self.num_filters // self.num_groups, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        if isinstance(self.output_size, Variable):
            return (input_shape[0], self.num_filters, *[None] * self.n)
        if self.output_size is None:
            return (input_shape[0], self.num_filters, *self._smallest(input_shape[2:]))
        return (input_shape[0], self.num_filters, *self.output_size)

    @property
    def extra(self) -> tuple[int, ...] | None:
        """What the result has along each axis beyond the smallest; None if only the run knows."""
        if self.output_size is None:
            return (0,) * self.n
        smallest = self._smallest(self.input_shape[2:])
        if isinstance(self.output_size, Variable) or None in smallest:
            return None
        sizes = zip(self.output_size, smallest, strict=True)
        return tuple(size - (least or 0) for size, least in sizes)

    def _sizes(self, input: Any) -> list[Any]:
        """The sizes of the result for `input`, where only the run knows whether they fit."""
        smallest = self._smallest([input.shape[2 + axis] for axis in range(self.n)])
        text = (
            f"{self._kind}: output_size does not fit: with stride={self.stride} it may exceed the "
            "smallest size, (input - 1) * stride + filter_size - 2 * crop, by less than a stride."
        )
        return [
            Assert(text)(self.output_size[axis], more >= 0, more < self.stride[axis])
            for axis in range(self.n)
            for more in [tensor.as_tensor_variable(self.output_size[axis]) - smallest[axis]]
        ]

    def _smallest(self, sizes: Any) -> tuple[Any, ...]:
        return tuple(
            conv_input_length(size, extent, step, before)
            for size, extent, step, (before, _) in zip(
                sizes, self._extents, self.stride, self._pads, strict=True
            )
        )

    def _check_output_size(self) -> None:
        extra = self.extra or (0,) * self.n
        if any(not 0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
            smallest = "x".join(map(str, self._smallest(self.input_shape[2:])))
            raise ValueError(
                f"{self._kind}: output_size={self.output_size} does not fit: its input gives "
                f"{smallest} pixels, and with stride={self.stride} an "
                "output_size may exceed them by less than a stride."
            )
