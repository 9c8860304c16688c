"""Rectifiers that learn their slope below zero, in the manner of later Lasagne."""

from __future__ import annotations

from typing import Any

import lasagne
from lasagne.init import Constant
from theano import tensor

__all__ = ["ParametricRectifierLayer"]


class ParametricRectifierLayer(lasagne.layers.Layer):
    """x above 0, alpha · x below, with one alpha a channel (or unit) to be learnt.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    alpha : initialiser, default=Constant(0.25)
        Of slopes of shape (n_channels,).
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    alpha : shared variable of shape (n_channels,)
        The slopes below 0; trained, and not regularised.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, Delving Deep into Rectifiers, ICCV 2015.

    Examples
    --------
    >>> from convnet_features.layers import ParametricRectifierLayer
    >>> layer = ParametricRectifierLayer((None, 3, 8, 8))
    >>> layer.alpha.get_value().tolist()
    [0.25, 0.25, 0.25]
    """

    def __init__(self, incoming: Any, alpha: Any = Constant(0.25), **kwargs: Any) -> None:  # noqa: B008
        super().__init__(incoming, **kwargs)
        self.alpha = self.add_param(
            alpha, (self.input_shape[1],), name="alpha", regularizable=False
        )

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """Rectify each channel with its slope.

        Parameters
        ----------
        input : tensor of shape (n_samples, n_channels, ...)
            Symbolic.
        **kwargs
            Not used.

        Returns
        -------
        tensor of the same shape
        """
        others = ["x"] * (input.ndim - 2)
        slopes = self.alpha.dimshuffle("x", 0, *others)
        return tensor.maximum(input, 0) + slopes * tensor.minimum(input, 0)
