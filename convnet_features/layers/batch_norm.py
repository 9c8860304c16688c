"""Batch normalisation, in the manner of later Lasagne."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from lasagne.init import Constant
from lasagne.layers import Layer, NonlinearityLayer
from lasagne.nonlinearities import identity
from pytensor import tensor

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
        (a number a channel), say, or the shape of one.
    axes : 'auto', int, or tuple of int, default='auto'
        The axes over which mean and variance are taken; the others have a mean and a
        variance for each of their entries. 'auto' is all but the second: each unit or
        channel has its own.
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
        Trained; beta is not penalised by L1 or L2, gamma is. Their shape is that of the
        input without `axes`.
    mean, inv_std : shared variables of the same shape
        The running averages: parameters that are not trained.

    Raises
    ------
    ValueError
        If an axis does not exist, or if the size of an axis that is not normalised over is
        not known.

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
        axes: Any = "auto",
        epsilon: float = 1e-4,
        alpha: float = 0.1,
        beta: Any = Constant(0),  # noqa: B008  (as Lasagne writes defaults)
        gamma: Any = Constant(1),  # noqa: B008
        mean: Any = Constant(0),  # noqa: B008
        inv_std: Any = Constant(1),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.axes = _axes(axes, self.input_shape)
        self.epsilon = float(epsilon)
        self.alpha = float(alpha)
        shape = tuple(size for axis, size in enumerate(self.input_shape) if axis not in self.axes)
        self.beta = self.gamma = None
        if beta is not None:
            self.beta = self.add_param(beta, shape, "beta", regularizable=False)
        if gamma is not None:
            self.gamma = self.add_param(gamma, shape, "gamma")
        kept = {"trainable": False, "regularizable": False}
        self.mean = self.add_param(mean, shape, "mean", **kept)
        self.inv_std = self.add_param(inv_std, shape, "inv_std", **kept)

    def get_output_for(
        self,
        input: Any,
        deterministic: bool = False,
        batch_norm_use_averages: bool | None = None,
        batch_norm_update_averages: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The symbolic output.

        Parameters
        ----------
        input : tensor
        deterministic : bool, default=False
            Whether this is inference: what the other two are by default.
        batch_norm_use_averages : bool, optional
            Normalise with the running averages, not with the batch's own statistics.
        batch_norm_update_averages : bool, optional
            Let functions that are compiled of this output move the running averages.

        Returns
        -------
        tensor of the shape of `input`
        """
        use = deterministic if batch_norm_use_averages is None else batch_norm_use_averages
        update = batch_norm_update_averages
        update = not deterministic if update is None else update
        with theano_scope():
            of_channels = self.axes == _axes("auto", self.input_shape) and input.ndim in (2, 4)
            normalise = self._each_channel if of_channels else self._over_axes
            return normalise(input, use, update)

    def _each_channel(self, input: Any, use: bool, update: bool) -> Any:
        """Batch normalisation of units or channels, by the operations that are fused."""
        n_channels = self.input_shape[1]
        gamma = np.ones(n_channels, input.dtype) if self.gamma is None else self.gamma
        beta = np.zeros(n_channels, input.dtype) if self.beta is None else self.beta
        running = [_running(each) for each in (self.mean, self.inv_std)] if update else []
        for average in running:
            # Compiled functions move the averages if the output depends on them.
            beta = beta + np.zeros(1, average.dtype) * average
        if update or not use:
            output, *statistics = batch_normalisation(input, gamma, beta, self.epsilon)
            self._move(running, statistics)
        if use:
            scale = gamma * self.inv_std
            output = channel_affine(input, scale, beta - self.mean * scale)
        return output

    def _over_axes(self, input: Any, use: bool, update: bool) -> Any:
        """Batch normalisation over any axes."""
        statistics = [
            input.mean(self.axes),
            1 / tensor.sqrt(input.var(self.axes) + self.epsilon),
        ]
        mean, inv_std = (self.mean, self.inv_std) if use else statistics
        if update:
            running = [_running(each) for each in (self.mean, self.inv_std)]
            self._move(running, statistics)
            mean = mean + 0 * running[0] + 0 * running[1]
        kept = iter(range(input.ndim - len(self.axes)))
        pattern = ["x" if axis in self.axes else next(kept) for axis in range(input.ndim)]
        scale = inv_std if self.gamma is None else self.gamma * inv_std
        output = (input - mean.dimshuffle(pattern)) * scale.dimshuffle(pattern)
        return output if self.beta is None else output + self.beta.dimshuffle(pattern)

    def _move(self, running: list[Any], statistics: list[Any]) -> None:
        """Let `running` go towards a batch's statistics."""
        for average, statistic in zip(running, statistics, strict=False):
            share = np.full((1,) * average.ndim, self.alpha, np.float32)
            _update(average, average + share * (statistic - average))


def _axes(axes: Any, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """The axes to normalise over, none of them negative."""
    n_axes = len(shape)
    if isinstance(axes, str) and axes == "auto":
        found = (0, *range(2, n_axes))
    else:
        given = axes if isinstance(axes, list | tuple) else (axes,)
        wrong = [each for each in given if not _is_axis(each, n_axes)]
        if wrong:
            raise ValueError(
                f"BatchNormLayer: axes={axes!r}: its input has the shape {shape}; axes must be "
                f"'auto', or integers from {-n_axes} to {n_axes - 1}."
            )
        found = tuple(sorted({each % n_axes for each in given}))
    unknown = [axis for axis, size in enumerate(shape) if axis not in found and size is None]
    if unknown:
        raise ValueError(
            f"BatchNormLayer needs specified input sizes for all axes that it does not normalise "
            f"over; its input has the shape {shape}. Give the input layer the size of axis "
            f"{unknown[0]}, or take axis {unknown[0]} into axes."
        )
    return found


def _is_axis(value: Any, n_axes: int) -> bool:
    return isinstance(value, int | np.integer) and bool(-n_axes <= value < n_axes)


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
        ``<name>_bn`` and ``<name>_bn_nonlin``; ``name``, where it is given, takes the place of
        the first.

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
    ('conv_bn_nonlin', 'conv_bn', None)
    """
    nonlinearity = getattr(layer, "nonlinearity", None)
    if nonlinearity is not None:
        layer.nonlinearity = identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    own = getattr(layer, "name", None)
    name = kwargs.pop("name", None) or (own and f"{own}_bn")
    normalised = BatchNormLayer(layer, name=name, **kwargs)
    if nonlinearity is None or nonlinearity is identity:
        return normalised
    return NonlinearityLayer(normalised, nonlinearity, name=name and f"{name}_nonlin")
