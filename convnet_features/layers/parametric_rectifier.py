"""Rectifiers that learn their slope below zero, in the manner of later Lasagne."""

from __future__ import annotations

from typing import Any

from lasagne.init import Constant
from lasagne.layers import Layer
from lasagne.nonlinearities import identity
from theano import tensor

from .shared_axes import axes_shared, own_shape, spread

__all__ = ["ParametricRectifierLayer", "prelu"]


class ParametricRectifierLayer(Layer):
    """x above 0, alpha · x below, with one alpha a channel (or unit) to be learnt.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    alpha : initialiser, default=Constant(0.25)
        Of the shape of the input without `shared_axes`.
    shared_axes : 'auto', 'all', int, or tuple of int, default='auto'
        The axes along which all have the same slope. 'auto' is all but the second: each
        channel or unit has its own. 'all' is one slope.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    alpha : shared variable
        The slopes below 0; trained, and not regularised.

    Raises
    ------
    ValueError
        If the size of an axis that slopes are not shared along is not known.

    See Also
    --------
    prelu : Put one in the place of a layer's nonlinearity.

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

    def __init__(
        self,
        incoming: Any,
        alpha: Any = Constant(0.25),  # noqa: B008  (as Lasagne writes defaults)
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = axes_shared(type(self).__name__, shared_axes, self.input_shape)
        shape = own_shape(type(self).__name__, self.input_shape, self.shared_axes)
        self.alpha = self.add_param(alpha, shape, name="alpha", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """Rectify with the slopes.

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
        input = tensor.as_tensor_variable(input)
        shared = getattr(self, "shared_axes", (0, *range(2, input.ndim)))
        slopes = spread(self.alpha, input.ndim, shared)
        return tensor.maximum(input, 0) + slopes * tensor.minimum(input, 0)


def prelu(layer: Any, **kwargs: Any) -> ParametricRectifierLayer:
    """Put a parametric rectifier in the place of a layer's nonlinearity.

    Parameters
    ----------
    layer : lasagne.layers.Layer
        It loses its nonlinearity.
    **kwargs
        Arguments of `ParametricRectifierLayer`.

    Returns
    -------
    ParametricRectifierLayer

    Examples
    --------
    >>> from lasagne.layers import DenseLayer
    >>> from convnet_features.layers import prelu
    >>> prelu(DenseLayer((None, 8), 3)).alpha.get_value().shape
    (3,)
    """
    if getattr(layer, "nonlinearity", None) is not None:
        layer.nonlinearity = identity
    return ParametricRectifierLayer(layer, **kwargs)
