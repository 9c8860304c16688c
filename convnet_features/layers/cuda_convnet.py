"""Layers of cuda-convnet, by their names: what they compute is computed here."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.layers import Layer
from lasagne.layers.conv import conv_output_length
from lasagne.layers.pool import pool_output_length
from lasagne.nonlinearities import identity, rectify
from lasagne.utils import as_tuple
from theano import tensor
from theano.tensor.signal.pool import pool_2d

from ..ops import conv2d
from ..theano_facade import theano_scope

__all__ = [
    "CCLayer",
    "Conv2DCCLayer",
    "MaxPool2DCCLayer",
    "NINLayer_c01b",
    "ShuffleBC01ToC01BLayer",
    "ShuffleC01BToBC01Layer",
    "bc01_to_c01b",
    "c01b_to_bc01",
]

#: Where each axis of (n_samples, n_channels, height, width) is, and back.
_TO_C01B = (1, 2, 3, 0)
_TO_BC01 = (3, 0, 1, 2)


def _turned(shape: Any, order: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(shape[axis] for axis in order)


class CCLayer(Layer):
    """A layer of cuda-convnet's, whose images have the samples last unless `dimshuffle`."""

    dimshuffle: bool

    @property
    def _images_shape(self) -> tuple[Any, ...]:
        """(n_samples, n_channels, height, width) of the input."""
        return self._samples_first(self.input_shape)

    def _samples_first(self, shape: Any) -> tuple[Any, ...]:
        return tuple(shape) if self.dimshuffle else _turned(shape, _TO_BC01)

    def _own_order(self, shape: Any) -> tuple[Any, ...]:
        return tuple(shape) if self.dimshuffle else _turned(shape, _TO_C01B)

    def _same(self, values: Any, what: str, error: type[Exception]) -> int:
        """A number for both axes; `error` says that there is only one."""
        one, other = as_tuple(values, 2, int)
        if one != other:
            raise error(
                f"{type(self).__name__} only supports {what}; got ({one}, {other}). "
                "The layer without CC in its name takes others."
            )
        return one


class Conv2DCCLayer(CCLayer):
    """Convolution with what cuda-convnet supports: square filters, and 16 of them, or 32, 48...

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width); without `dimshuffle`,
        of shape (n_channels, height, width, n_samples).
    num_filters : int
        A multiple of 16.
    filter_size, stride : int or (int, int)
        Of filters, and from one output to the next; the same along both axes.
    pad : int, (int, int), 'same', 'full' or 'valid', default=0
        Zeros around each image; the same along both axes.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, optional
        Of filters of shape (num_filters, n_channels, rows, columns); without `dimshuffle`, of
        shape (n_channels, rows, columns, num_filters). ``GlorotUniform()`` by default.
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    dimshuffle : bool, default=True
        False says that images, filters and biases have the samples, or the filters, last.
    flip_filters : bool, default=False
        Convolve, as Theano does; False correlates.
    partial_sum : int or None, default=1
        Without effect.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    RuntimeError
        If cuda-convnet supports no such sizes, or no such numbers of channels or filters.

    Examples
    --------
    >>> from convnet_features.layers.cuda_convnet import Conv2DCCLayer
    >>> Conv2DCCLayer((None, 3, 9, 9), 16, 3, pad=1, stride=2).output_shape
    (None, 16, 5, 5)
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = None,
        b: Any = Constant(0.0),  # noqa: B008  (as Lasagne writes defaults)
        nonlinearity: Any = rectify,
        dimshuffle: bool = True,
        flip_filters: bool = False,
        partial_sum: int | None = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = identity if nonlinearity is None else nonlinearity
        self.num_filters = num_filters
        self.filter_size = self._same(filter_size, "square filters", RuntimeError)
        self.stride = self._same(stride, "square strides", RuntimeError)
        self.untie_biases = untie_biases
        self.dimshuffle = dimshuffle
        self.flip_filters = flip_filters
        self.partial_sum = partial_sum
        self._check_numbers()
        named = {"valid": 0, "full": self.filter_size - 1, "same": (self.filter_size - 1) // 2}
        by_name = isinstance(pad, str) and pad in named
        self.pad = named[pad] if by_name else self._same(pad, "square padding", RuntimeError)
        W = GlorotUniform(c01b=not dimshuffle) if W is None else W
        self.W = self.add_param(W, self.get_W_shape(), name="W")
        self.b = None
        if b is not None:
            shape = self._bias_shape() if untie_biases else (num_filters,)
            self.b = self.add_param(b, shape, name="b", regularizable=False)

    def _check_numbers(self) -> None:
        if self.num_filters % 16:
            raise RuntimeError(
                f"{type(self).__name__} requires num_filters to be a multiple of 16; got "
                f"{self.num_filters}. Conv2DLayer takes any number."
            )
        channels = self.num_input_channels
        if channels > 3 and channels % 4:
            raise RuntimeError(
                f"{type(self).__name__} requires the number of input channels to be 1, 2, 3 or a "
                f"multiple of 4; it is {channels}. Conv2DLayer takes any number."
            )

    @property
    def num_input_channels(self) -> int:
        """Channels of the input."""
        return int(self._images_shape[1])

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: see the class."""
        size = self.filter_size
        return self._own_order((self.num_filters, self.num_input_channels, size, size))

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        n_samples, _, *sizes = self._samples_first(input_shape)
        found = (
            conv_output_length(size, self.filter_size, self.stride, self.pad) for size in sizes
        )
        return self._own_order((n_samples, self.num_filters, *found))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        with theano_scope():
            input, turn = tensor.as_tensor_variable(input), not self.dimshuffle
            convolved = conv2d(
                input.dimshuffle(_TO_BC01) if turn else input,
                self.W.dimshuffle(_TO_BC01) if turn else self.W,
                stride=(self.stride,) * 2,
                padding=((self.pad,) * 2,) * 2,
                flip_filters=self.flip_filters,
            )
            output = convolved.dimshuffle(_TO_C01B) if turn else convolved
            if self.b is not None:
                output = output + self.b.dimshuffle(self._bias_pattern())
            return self.nonlinearity(output)

    def _bias_shape(self) -> tuple[Any, ...]:
        return self.output_shape[1:] if self.dimshuffle else self.output_shape[:-1]

    def _bias_pattern(self) -> tuple[Any, ...]:
        each = (0, 1, 2) if self.untie_biases else (0, "x", "x")
        return ("x", *each) if self.dimshuffle else (*each, "x")


class MaxPool2DCCLayer(CCLayer):
    """Max pooling with what cuda-convnet supports: square windows, and no padding.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on: as for `Conv2DCCLayer`.
    pool_size : int or (int, int)
        Of a window; the same along both axes.
    stride : int or (int, int), default=pool_size
        From one window to the next; no more than `pool_size`.
    ignore_border : False, default=False
        Nothing else is taken: windows may overhang the image.
    dimshuffle : bool, default=True
        False says that images have the samples last.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    NotImplementedError
        If cuda-convnet supports no such windows, or for `pad`.

    Examples
    --------
    >>> from convnet_features.layers.cuda_convnet import MaxPool2DCCLayer
    >>> MaxPool2DCCLayer((None, 16, 9, 9), 3, stride=2).output_shape
    (None, 16, 4, 4)
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        ignore_border: bool = False,
        dimshuffle: bool = True,
        **kwargs: Any,
    ) -> None:
        who = type(self).__name__
        if as_tuple(kwargs.pop("pad", 0), 2) != (0, 0):
            raise NotImplementedError(f"{who} does not support padding; MaxPool2DLayer does.")
        if ignore_border:
            raise NotImplementedError(
                f"{who} does not support ignore_border=True; MaxPool2DLayer does."
            )
        super().__init__(incoming, **kwargs)
        self.dimshuffle = dimshuffle
        self.ignore_border = ignore_border
        window, step = "square pooling regions", "using the same stride in both directions"
        self.pool_size = self._same(pool_size, window, NotImplementedError)
        stride = self.pool_size if stride is None else stride
        self.stride = self._same(stride, step, NotImplementedError)
        if self.stride > self.pool_size:
            raise NotImplementedError(
                f"{who} only supports stride <= pool_size; got {self.stride} and "
                f"{self.pool_size}. MaxPool2DLayer takes others."
            )

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        n_samples, channels, *sizes = self._samples_first(input_shape)
        found = (
            pool_output_length(size, self.pool_size, stride=self.stride, pad=0, ignore_border=False)
            for size in sizes
        )
        return self._own_order((n_samples, channels, *found))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        with theano_scope():
            images = tensor.as_tensor_variable(input)
            images = images if self.dimshuffle else images.dimshuffle(_TO_BC01)
            size, stride = (self.pool_size,) * 2, (self.stride,) * 2
            pooled = pool_2d(images, ws=size, stride=stride, ignore_border=False, mode="max")
            return pooled if self.dimshuffle else pooled.dimshuffle(_TO_C01B)


class ShuffleBC01ToC01BLayer(Layer):
    """Put the samples last: (n_channels, height, width, n_samples).

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The sizes of `input_shape`, in the other order."""
        return _turned(input_shape, _TO_C01B)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """`input` with its axes in the other order."""
        return tensor.as_tensor_variable(input).dimshuffle(_TO_C01B)


class ShuffleC01BToBC01Layer(Layer):
    """Put the samples first: (n_samples, n_channels, height, width).

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_channels, height, width, n_samples).
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The sizes of `input_shape`, in the other order."""
        return _turned(input_shape, _TO_BC01)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """`input` with its axes in the other order."""
        return tensor.as_tensor_variable(input).dimshuffle(_TO_BC01)


bc01_to_c01b = ShuffleBC01ToC01BLayer
c01b_to_bc01 = ShuffleC01BToBC01Layer


class NINLayer_c01b(Layer):  # noqa: N801  (Lasagne's name)
    """``NINLayer`` of images that have the samples last: a dense layer across channels.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_channels, height, width, n_samples).
    num_units : int
        Channels of the result.
    untie_biases : bool, default=False
        Give each pixel of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of weights of shape (num_units, n_channels).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from convnet_features.layers.cuda_convnet import NINLayer_c01b
    >>> NINLayer_c01b((3, 8, 8, None), 16).output_shape
    (16, 8, 8, None)
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = identity if nonlinearity is None else nonlinearity
        self.num_units = num_units
        self.untie_biases = untie_biases
        self.W = self.add_param(W, (num_units, self.input_shape[0]), name="W")
        self.b = None
        if b is not None:
            shape = (num_units, *self.output_shape[1:-1]) if untie_biases else (num_units,)
            self.b = self.add_param(b, shape, name="b", regularizable=False)

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """`input_shape`, with the units for channels."""
        return (self.num_units, *input_shape[1:])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        with theano_scope():
            output = tensor.tensordot(self.W, input, axes=[[1], [0]])
            if self.b is not None:
                inner = range(1, input.ndim - 1) if self.untie_biases else ["x"] * (input.ndim - 2)
                output = output + self.b.dimshuffle(0, *inner, "x")
            return self.nonlinearity(output)
