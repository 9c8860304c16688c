"""What convolutional layers of any number of dimensions have in common, as in later Lasagne."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.layers import Layer
from lasagne.layers.conv import conv_output_length
from lasagne.nonlinearities import identity, rectify
from lasagne.utils import as_tuple

from ..theano_facade import theano_scope

__all__ = ["BaseConvLayer", "conv_input_length"]


class BaseConvLayer(Layer):
    """Convolution over the last n axes: parameters and shapes, for subclasses that `convolve`.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...) with n more sizes.
    num_filters : int
        A multiple of `num_groups`.
    filter_size : int or tuple of n int
        Of a filter.
    stride : int or tuple of n int, default=1
        From one output to the next.
    pad : int, tuple of n int, 'same', 'full' or 'valid', default=0
        Zeros around each image. 'same' keeps the size at stride 1.
    untie_biases : bool, default=False
        Give each position of the result a bias of its own.
    W : initialiser, default=GlorotUniform()
        Of filters of the shape that `get_W_shape` says.
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    flip_filters : bool, default=True
        Convolve, as Theano does; False correlates, as most other libraries do.
    num_groups : int, default=1
        Groups of channels and of filters.
    dilation : int or tuple of n int, default=1
        Positions from one tap of a filter to the next.
    n : int, optional
        How many axes are convolved over; by default all but the first two.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    ValueError
        If the input has another number of axes, if `num_groups` does not divide the channels
        and the filters, if it or `dilation` is no whole number of at least 1, or if the number
        of channels is unknown.
    """

    # Layers of Lasagne 0.1 that were pickled know nothing of these.
    flip_filters = True
    num_groups = 1
    dilation: tuple[int, ...] = (1, 1)
    n = 2

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
        n: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Subclasses stand beside classes of Lasagne 0.1's whose own __init__ takes less.
        Layer.__init__(self, incoming, **kwargs)
        self.n = len(self.input_shape) - 2 if n is None else n
        self.nonlinearity = identity if nonlinearity is None else nonlinearity
        self.num_filters = num_filters
        self.filter_size = as_tuple(filter_size, self.n)
        self.stride = as_tuple(stride, self.n)
        self.pad = _padding(pad, self.n)
        if self.n != len(self.input_shape) - 2:
            raise ValueError(
                f"{self._kind}: its input has the shape {tuple(self.input_shape)}. Expected "
                f"{self.n + 2} input dimensions (samples, channels, and {self.n} more)."
            )
        self.untie_biases = untie_biases
        self.flip_filters = bool(flip_filters)
        self.num_groups = self._counted(num_groups, "num_groups")
        self.dilation = tuple(self._counted(d, "dilation") for d in as_tuple(dilation, self.n))
        self._check_groups()
        self.W = self.add_param(W, self.get_W_shape(), name="W")
        self.b = None
        if b is not None:
            shape = (num_filters, *self.output_shape[2:]) if untie_biases else (num_filters,)
            self.b = self.add_param(b, shape, name="b", regularizable=False)

    def get_W_shape(self) -> tuple[int, ...]:  # noqa: N802  (Lasagne's name)
        """The shape of the filters: ``(num_filters, n_channels / num_groups, *filter_size)``."""
        return (self.num_filters, self.input_shape[1] // self.num_groups, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        sizes = (
            conv_output_length(size, extent, step, before)
            for size, extent, step, before in zip(
                input_shape[2:],
                self._extents,
                self.stride,
                as_tuple(self.pad, self.n) if isinstance(self.pad, tuple) else (self.pad,) * self.n,
                strict=True,
            )
        )
        return (input_shape[0], self.num_filters, *sizes)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        with theano_scope():
            convolved = self.convolve(input, **kwargs)
            if self.b is not None:
                axes = range(self.n + 1) if self.untie_biases else (0, *["x"] * self.n)
                convolved = convolved + self.b.dimshuffle("x", *axes)
            return self.nonlinearity(convolved)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` convolved with `W`, without biases; subclasses say how."""
        raise NotImplementedError(f"{self._kind} does not say how it convolves.")

    @property
    def _kind(self) -> str:
        return type(self).__name__

    @property
    def _extents(self) -> tuple[int, ...]:
        """Positions that a filter extends over along each axis."""
        return tuple(
            (taps - 1) * apart + 1
            for taps, apart in zip(self.filter_size, self.dilation, strict=True)
        )

    @property
    def _pads(self) -> tuple[tuple[int, int], ...]:
        """Zeros before and behind each axis."""
        return _pads(self.pad, self._extents)

    def _counted(self, value: Any, name: str) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"{self._kind}: {name} must be a whole number of at least 1; got {value!r}."
            )
        return int(value)

    def _check_groups(self) -> None:
        channels = self.input_shape[1]
        if channels is None:
            raise ValueError(
                f"{self._kind}: its input has the shape {tuple(self.input_shape)}; the number of "
                "channels must be known."
            )
        for number, what in ((channels, "channels"), (self.num_filters, "filters")):
            if number % self.num_groups:
                raise ValueError(
                    f"{self._kind}: its {number} {what} cannot be divided into "
                    f"num_groups={self.num_groups} groups of equal size."
                )


def _padding(pad: Any, n: int) -> Any:
    """`pad` as layers keep it: 'full', 'same', or a number an axis."""
    if isinstance(pad, str) and pad in ("full", "same"):
        return pad
    return (0,) * n if isinstance(pad, str) and pad == "valid" else as_tuple(pad, n, int)


def _pads(pad: Any, extents: Sequence[int]) -> tuple[tuple[int, int], ...]:
    if pad == "full":
        return tuple((extent - 1, extent - 1) for extent in extents)
    if pad == "same":
        return tuple((extent // 2, (extent - 1) // 2) for extent in extents)
    return tuple((each, each) for each in pad)


def conv_input_length(
    output_length: int | None, filter_size: int, stride: int, pad: Any = 0
) -> int | None:
    """The smallest size of which a convolution makes `output_length`.

    Parameters
    ----------
    output_length : int or None
        None for an unknown size.
    filter_size, stride : int
        Of the convolution.
    pad : int, 'full', 'same' or 'valid', default=0
        Its padding.

    Returns
    -------
    int or None
        (output_length - 1) · stride - 2 · pad + filter_size.

    Raises
    ------
    ValueError
        If `pad` is something else.
    """
    if output_length is None:
        return None
    named = {"valid": 0, "full": filter_size - 1, "same": filter_size // 2}
    pads = named.get(pad) if isinstance(pad, str) else pad
    if not isinstance(pads, Integral):
        raise ValueError(f"Invalid pad: {pad}")
    return (output_length - 1) * stride - 2 * int(pads) + filter_size
