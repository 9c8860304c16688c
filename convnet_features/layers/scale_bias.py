"""Scales and biases alone, in the manner of later Lasagne."""

from __future__ import annotations

from typing import Any

import lasagne
import numpy as np
import theano
from lasagne.init import Constant

from ..ops.batch_norm import channel_affine
from ..theano_facade import theano_scope
from .shared_axes import axes_shared, own_shape, spread

__all__ = ["BiasLayer", "ScaleLayer", "standardize"]


class _SharedAxesLayer(lasagne.layers.Layer):
    """A layer with one parameter, which is the same along `shared_axes`."""

    def __init__(self, incoming: Any, shared_axes: Any = "auto", **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = axes_shared(type(self).__name__, shared_axes, self.input_shape)

    def _add_shared(self, spec: Any, name: str) -> Any:
        shape = own_shape(type(self).__name__, self.input_shape, self.shared_axes)
        return self.add_param(spec, shape, name, regularizable=False)

    def _spread(self, parameter: Any) -> Any:
        """`parameter` with axes of size 1 where it is shared."""
        return spread(parameter, self._n_axes, self.shared_axes)

    @property
    def _n_axes(self) -> int:
        return len(self.input_shape)

    @property
    def _is_by_channel(self) -> bool:
        """Whether there is one number a channel or unit, for which there are kernels."""
        return self._n_axes in (2, 4) and self.shared_axes == (0, *range(2, self._n_axes))


class ScaleLayer(_SharedAxesLayer):
    """scales · x, with one scale a channel (or unit) to be learnt.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    scales : initialiser, default=Constant(1)
        Of the shape of the input without `shared_axes`.
    shared_axes : 'auto', 'all', int, or tuple of int, default='auto'
        The axes along which all have the same scale. 'auto' is all but the second: each
        channel or unit has its own.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    scales : shared variable
        Trained, and not regularised.

    Raises
    ------
    ValueError
        If an axis does not exist, or if the size of an axis that scales are not shared along
        is not known.

    See Also
    --------
    BiasLayer : x + b.

    Examples
    --------
    >>> from convnet_features.layers import ScaleLayer
    >>> layer = ScaleLayer((None, 3, 8, 8))
    >>> layer.scales.get_value().tolist(), layer.output_shape
    ([1.0, 1.0, 1.0], (None, 3, 8, 8))
    """

    def __init__(
        self,
        incoming: Any,
        scales: Any = Constant(1),  # noqa: B008  (as Lasagne writes defaults)
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, shared_axes, **kwargs)
        self.scales = self._add_shared(scales, "scales")

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of the shape of `input`."""
        with theano_scope():
            if self._is_by_channel and input.ndim == self._n_axes:
                zeros = np.zeros(self.input_shape[1], input.dtype)
                return channel_affine(input, self.scales, zeros)
            return input * self._spread(self.scales)


class BiasLayer(_SharedAxesLayer):
    """x + b, with one bias a channel (or unit) to be learnt.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    b : initialiser or None, default=Constant(0)
        Of the shape of the input without `shared_axes`; None for no bias.
    shared_axes : 'auto', 'all', int, or tuple of int, default='auto'
        The axes along which all have the same bias. 'auto' is all but the second: each
        channel or unit has its own.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    b : shared variable, or None
        Trained, and not regularised.

    Raises
    ------
    ValueError
        If an axis does not exist, or if the size of an axis that biases are not shared along
        is not known.

    See Also
    --------
    ScaleLayer : scales · x.

    Examples
    --------
    >>> from convnet_features.layers import BiasLayer
    >>> BiasLayer((None, 3, 8, 8), shared_axes=(0, 1)).b.get_value().shape
    (8, 8)
    """

    def __init__(
        self,
        incoming: Any,
        b: Any = Constant(0),  # noqa: B008  (as Lasagne writes defaults)
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, shared_axes, **kwargs)
        self.b = None if b is None else self._add_shared(b, "b")

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of the shape of `input`."""
        if self.b is None:
            return input
        with theano_scope():
            if self._is_by_channel and input.ndim == self._n_axes:
                ones = np.ones(self.input_shape[1], input.dtype)
                return channel_affine(input, ones, self.b)
            return input + self._spread(self.b)


def standardize(layer: Any, offset: Any, scale: Any, shared_axes: Any = "auto") -> ScaleLayer:
    """(x - offset) / scale, with numbers that are known and not trained.

    Parameters
    ----------
    layer : Layer, or tuple
        What is standardised.
    offset, scale : ndarray or shared variable
        Of the shape of the input without `shared_axes`: means and standard deviations, say.
    shared_axes : 'auto', 'all', int, or tuple of int, default='auto'
        The axes along which all have the same. 'auto' is all but the second.

    Returns
    -------
    ScaleLayer
        On a `BiasLayer`; the parameters of both are not ``trainable``.

    Examples
    --------
    >>> import numpy as np
    >>> from convnet_features.layers import standardize
    >>> layer = standardize((1, 2), np.float32([1, 2]), np.float32([2, 4]))
    >>> layer.get_params(trainable=True), layer.scales.get_value().tolist()
    ([], [0.5, 0.25])
    """
    shifted = BiasLayer(layer, _value(offset) * -1, shared_axes)
    divided = ScaleLayer(shifted, 1 / _value(scale), shared_axes)
    shifted.params[shifted.b].discard("trainable")
    divided.params[divided.scales].discard("trainable")
    return divided


def _value(given: Any) -> Any:
    """The numbers of an array or a shared variable, as floats."""
    value = given.get_value() if hasattr(given, "get_value") else given
    return np.asarray(value, dtype=theano.config.floatX)
