"""Batch normalisation, in the manner of later Lasagne."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from lasagne.init import Constant
from lasagne.layers import Layer, NonlinearityLayer
from lasagne.nonlinearities import identity

from ..ops.batch_norm import batch_normalisation, channel_affine
from ..theano_facade import theano_scope

__all__ = ["BatchNormLayer", "batch_norm"]


class BatchNormLayer(Layer):
    """Normalise each channel (or unit) to mean beta and standard deviation gamma.

    With x the input of a batch, in training::

        y = gamma · (x - mean(x)) / sqrt(var(x) + epsilon) + beta

    and in inference (``deterministic=True``) the same with running averages
    of mean(x) and of 1 / sqrt(var(x) + epsilon), which each batch of training
    moves by the share `alpha`.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on: a layer of 2 dimensions (a number a unit) or of 4
        (a number a channel), or the shape of one.
    epsilon : float, default=1e-4
        Added to the variance, so that it is never divided by zero.
    alpha : float, default=0.1
        What share of the running averages a batch replaces.
    beta, gamma : initialiser or None
        None leaves the mean at 0, or the standard deviation at 1, for good.
    mean, inv_std : initialiser
        The running averages before training.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    beta, gamma : shared variables of shape (n_channels,), or None
        Trained; beta is not penalised by L1 or L2, gamma is.
    mean, inv_std : shared variables of shape (n_channels,)
        The running averages: parameters that are not trained.

    See Also
    --------
    batch_norm : Put one between a layer and its nonlinearity.

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift".

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, InputLayer
    >>> from convnet_features.layers import BatchNormLayer
    >>> maps = Conv2DLayer(InputLayer((None, 1, 8, 8)), 16, 3, b=None)
    >>> [param.name for param in BatchNormLayer(maps, name="norm").get_params(trainable=True)]
    ['norm.beta', 'norm.gamma']
    """

    def __init__(
        self,
        incoming: Any,
        epsilon: float = 1e-4,
        alpha: float = 0.1,
        beta: Any = Constant(0),  # noqa: B008  (as Lasagne writes defaults)
        gamma: Any = Constant(1),  # noqa: B008
        mean: Any = Constant(0),  # noqa: B008
        inv_std: Any = Constant(1),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        if len(self.input_shape) not in (2, 4) or self.input_shape[1] is None:
            raise ValueError(
                f"BatchNormLayer: its input has the shape {self.input_shape}; it needs 2 or 4 "
                "dimensions with a known number of channels."
            )
        self.epsilon = float(epsilon)
        self.alpha = float(alpha)
        shape = (self.input_shape[1],)
        self.beta = self.gamma = None
        if beta is not None:
            self.beta = self.add_param(beta, shape, "beta", regularizable=False)
        if gamma is not None:
            self.gamma = self.add_param(gamma, shape, "gamma")
        kept = {"trainable": False, "regularizable": False}
        self.mean = self.add_param(mean, shape, "mean", **kept)
        self.inv_std = self.add_param(inv_std, shape, "inv_std", **kept)

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """The symbolic output; unless `deterministic`, compiled training moves the averages."""
        with theano_scope():
            n_channels = self.input_shape[1]
            gamma = np.ones(n_channels, input.dtype) if self.gamma is None else self.gamma
            beta = np.zeros(n_channels, input.dtype) if self.beta is None else self.beta
            if deterministic:
                scale = gamma * self.inv_std
                return channel_affine(input, scale, beta - self.mean * scale)
            averages = [_running(each) for each in (self.mean, self.inv_std)]
            # Compiled training updates the averages if the output depends on them.
            beta = beta + 0 * averages[0] + 0 * averages[1]
            output, *statistics = batch_normalisation(input, gamma, beta, self.epsilon)
            for average, value in zip(averages, statistics, strict=True):
                _update(average, average + np.float32(self.alpha) * (value - average))
            return output


def _running(average: Any) -> Any:
    """Another variable with the value of `average`: inference lacks it, and updates nothing."""
    return average.clone()


def _update(variable: Any, value: Any) -> None:
    with warnings.catch_warnings():
        # PyTensor advises its users to pass updates themselves; Lasagne's never did.
        warnings.simplefilter("ignore", DeprecationWarning)
        variable.default_update = value


def batch_norm(layer: Any, **kwargs: Any) -> Any:
    """Put batch normalisation between a layer and its nonlinearity.

    The layer loses its nonlinearity, which moves behind the normalisation, and
    its bias, which beta replaces.

    Parameters
    ----------
    layer : lasagne.layers.Layer
        A convolution or a dense layer.
    **kwargs
        Arguments of `BatchNormLayer`. The new layers are called
        ``<name>_bn`` and ``<name>_nonlin`` unless ``name`` is given.

    Returns
    -------
    Layer
        The nonlinearity, or the normalisation if the layer had none.

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, InputLayer
    >>> from convnet_features.layers import batch_norm
    >>> maps = batch_norm(Conv2DLayer(InputLayer((None, 1, 8, 8)), 16, 3, name="conv"))
    >>> maps.name, maps.input_layer.name, maps.input_layer.input_layer.b
    ('conv_nonlin', 'conv_bn', None)
    """
    nonlinearity = getattr(layer, "nonlinearity", None)
    if nonlinearity is not None:
        layer.nonlinearity = identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    name = kwargs.pop("name", None) or (layer.name and f"{layer.name}_bn")
    normalised = BatchNormLayer(layer, name=name, **kwargs)
    if nonlinearity is None or nonlinearity is identity:
        return normalised
    return NonlinearityLayer(normalised, nonlinearity, name=layer.name and f"{layer.name}_nonlin")
