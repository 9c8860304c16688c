"""Rectifiers that draw their slope below zero while they are trained."""

from __future__ import annotations

from typing import Any

import theano
from lasagne.layers import Layer
from lasagne.nonlinearities import identity
from lasagne.random import get_rng
from theano import tensor
from theano.sandbox.rng_mrg import MRG_RandomStreams

from .shared_axes import axes_shared

__all__ = ["RandomizedRectifierLayer", "rrelu"]


class RandomizedRectifierLayer(Layer):
    """x above 0, a · x below; a is drawn between two bounds in training, and their mean after it.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    lower, upper : float or scalar expression, default=0.3, 0.8
        Bounds of the slopes.
    shared_axes : 'auto', 'all', int, or tuple of int, default='auto'
        The axes along which all have the same slope. 'auto' is all but the second: each
        channel or unit draws its own. 'all' is one slope.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If `lower` is above `upper`.

    See Also
    --------
    rrelu : Put one in the place of a layer's nonlinearity.

    References
    ----------
    B. Xu, N. Wang, T. Chen, M. Li, Empirical Evaluation of Rectified Activations in
    Convolutional Network, 2015.

    Examples
    --------
    >>> from convnet_features.layers import RandomizedRectifierLayer
    >>> layer = RandomizedRectifierLayer((2, 3), lower=0.25, upper=0.75)
    >>> layer.get_output_for([[-1.0, 0.0, 2.0]], deterministic=True).eval().tolist()
    [[-0.5, 0.0, 2.0]]
    """

    def __init__(
        self,
        incoming: Any,
        lower: Any = 0.3,
        upper: Any = 0.8,
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        symbolic = any(isinstance(each, theano.Variable) for each in (lower, upper))
        if not symbolic and lower > upper:
            raise ValueError(
                f"{type(self).__name__}: lower={lower} must not be higher than upper={upper}."
            )
        self._srng = MRG_RandomStreams(get_rng().randint(1, 2147462579))
        self.lower = lower
        self.upper = upper
        self.shared_axes = axes_shared(type(self).__name__, shared_axes, self.input_shape)

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """Rectify with slopes.

        Parameters
        ----------
        input : tensor of shape (n_samples, n_channels, ...)
            Symbolic.
        deterministic : bool, default=False
            Take the mean slope; otherwise slopes are drawn.
        **kwargs
            Not used.

        Returns
        -------
        tensor of the same shape
        """
        input = tensor.as_tensor_variable(input)
        slopes = (self.lower + self.upper) / 2.0
        if not deterministic and self.lower is not self.upper and self.lower != self.upper:
            sizes = self.input_shape if None not in self.input_shape else input.shape
            shape = [1 if axis in self.shared_axes else sizes[axis] for axis in range(input.ndim)]
            drawn = self._srng.uniform(
                tuple(shape), low=self.lower, high=self.upper, dtype=theano.config.floatX
            )
            slopes = tensor.addbroadcast(drawn, *self.shared_axes)
        return tensor.maximum(input, 0) + slopes * tensor.minimum(input, 0)


def rrelu(layer: Any, **kwargs: Any) -> RandomizedRectifierLayer:
    """Put a randomised rectifier in the place of a layer's nonlinearity.

    Parameters
    ----------
    layer : lasagne.layers.Layer
        It loses its nonlinearity.
    **kwargs
        Arguments of `RandomizedRectifierLayer`.

    Returns
    -------
    RandomizedRectifierLayer

    Examples
    --------
    >>> from lasagne.layers import DenseLayer
    >>> from convnet_features.layers import rrelu
    >>> rrelu(DenseLayer((None, 8), 3)).output_shape
    (None, 3)
    """
    if getattr(layer, "nonlinearity", None) is not None:
        layer.nonlinearity = identity
    return RandomizedRectifierLayer(layer, **kwargs)
