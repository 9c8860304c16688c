"""Layer, instance and group normalisation, in the manner of later Lasagne."""

from __future__ import annotations

from typing import Any

import numpy as np
from lasagne.layers import Layer, NonlinearityLayer
from lasagne.nonlinearities import identity
from theano import tensor

from ..theano_facade import theano_scope
from .scale_bias import BiasLayer, ScaleLayer

__all__ = ["StandardizationLayer", "group_norm", "instance_norm", "layer_norm"]


class StandardizationLayer(Layer):
    """(x - mean(x)) / sqrt(var(x) + epsilon), each sample by itself.

    Training and inference are the same, unlike in batch normalisation.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    axes : 'auto', 'spatial', 'features', int, or tuple of int, default='auto'
        The axes over which mean and variance are taken. 'spatial' is all but the first two
        (instance normalisation), 'features' all but the first (layer normalisation), and
        'auto' is 'features' for an input of two dimensions, 'spatial' for others.
    epsilon : float, default=1e-4
        Added to the variance, so that it is never divided by zero.
    num_groups : int, default=1
        With ``axes='features'``, the channels are divided into so many groups, in order,
        and each is normalised by itself (group normalisation).
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If an axis does not exist or is that of the samples, if there is none, or if
        `num_groups` does not divide the channels or `axes` has no groups.

    See Also
    --------
    instance_norm, layer_norm, group_norm : Put one between a layer and its nonlinearity.

    References
    ----------
    Ba, Kiros and Hinton (2016), "Layer normalization"; Ulyanov, Vedaldi and Lempitsky (2016),
    "Instance normalization"; Wu and He (2018), "Group normalization".

    Examples
    --------
    >>> from convnet_features.layers import StandardizationLayer
    >>> StandardizationLayer((None, 6, 8, 8), "features", num_groups=3).axes
    (1, 2, 3)
    """

    def __init__(
        self,
        incoming: Any,
        axes: Any = "auto",
        epsilon: float = 1e-4,
        num_groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.axes = _axes(axes, self.input_shape)
        self.epsilon = float(epsilon)
        self.num_groups = num_groups
        channels = self.input_shape[1]
        if num_groups == 1:
            return
        if self.axes != tuple(range(1, len(self.input_shape))):
            raise ValueError(
                f"StandardizationLayer: num_groups={num_groups} groups of channels are normalised "
                f"with axes='features'; got axes={axes!r}."
            )
        if channels is None or num_groups < 1 or channels % num_groups:
            raise ValueError(
                f"StandardizationLayer: its {channels} channels cannot be divided into "
                f"num_groups={num_groups} groups of equal size."
            )

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of the shape of `input`."""
        with theano_scope():
            if self.num_groups == 1:
                return _standardised(input, self.axes, self.epsilon)
            groups = input.reshape((input.shape[0], self.num_groups, -1))
            return _standardised(groups, (2,), self.epsilon).reshape(input.shape)


def _standardised(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    centred = x - x.mean(axes, keepdims=True)
    variance = tensor.sqr(centred).mean(axes, keepdims=True)
    return centred / tensor.sqrt(variance + tensor.cast(epsilon, x.dtype))


def _axes(axes: Any, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """The axes to normalise over, none of them negative."""
    n_axes = len(shape)
    if isinstance(axes, str) and axes == "auto":
        axes = "features" if n_axes == 2 else "spatial"
    found: tuple[int, ...]
    if isinstance(axes, str) and axes in ("spatial", "features"):
        found = tuple(range(2 if axes == "spatial" else 1, n_axes))
    else:
        given: Any = axes if isinstance(axes, list | tuple) else (axes,)
        known = all(isinstance(each, int | np.integer) for each in given)
        known = known and all(-n_axes <= each < n_axes for each in given)
        found = tuple(sorted({int(each) % n_axes for each in given})) if known else ()
    if not found or found[0] == 0:
        raise ValueError(
            f"StandardizationLayer: axes={axes!r}: its input has the shape {shape}; axes must be "
            f"'auto', 'spatial', 'features', or integers from 1 to {n_axes - 1}."
        )
    return found


def instance_norm(
    layer: Any, learn_scale: bool = True, learn_bias: bool = True, **kwargs: Any
) -> Any:
    """Put instance normalisation between a layer and its nonlinearity.

    The layer loses its nonlinearity, which moves behind the normalisation, and its bias.

    Parameters
    ----------
    layer : lasagne.layers.Layer
        A convolution, say.
    learn_scale, learn_bias : bool, default=True
        Whether a scale and a bias a channel follow.
    **kwargs
        Arguments of `StandardizationLayer`. The new layers are called ``<name>_in``,
        ``<name>_in_scale``, ``<name>_in_bias`` and ``<name>_in_nonlin``; ``name`` takes the place
        of ``<name>_in``.

    Returns
    -------
    Layer
        The last of them.

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, InputLayer
    >>> from convnet_features.layers import instance_norm
    >>> instance_norm(Conv2DLayer(InputLayer((None, 1, 8, 8)), 16, 3, name="conv")).name
    'conv_in_nonlin'
    """
    return _normalised(layer, "in", "spatial", learn_scale, learn_bias, kwargs)


def layer_norm(layer: Any, **kwargs: Any) -> Any:
    """Put layer normalisation between a layer and its nonlinearity.

    As `instance_norm` does, but over all channels or units; the suffix of the names is ``_ln``.

    Parameters
    ----------
    layer : lasagne.layers.Layer
    **kwargs
        Arguments of `StandardizationLayer`.

    Returns
    -------
    Layer
        The last of the new layers.

    Examples
    --------
    >>> from lasagne.layers import DenseLayer, InputLayer
    >>> from convnet_features.layers import layer_norm
    >>> layer_norm(DenseLayer(InputLayer((None, 7)), 5, name="dense")).input_layer.name
    'dense_ln_bias'
    """
    return _normalised(layer, "ln", "features", True, True, kwargs)


def group_norm(layer: Any, num_groups: int, **kwargs: Any) -> Any:
    """Put group normalisation between a layer and its nonlinearity.

    As `instance_norm` does, but over groups of channels; the suffix of the names is ``_gn``.

    Parameters
    ----------
    layer : lasagne.layers.Layer
    num_groups : int
        Divides the number of channels.
    **kwargs
        Arguments of `StandardizationLayer`.

    Returns
    -------
    Layer
        The last of the new layers.

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, InputLayer
    >>> from convnet_features.layers import group_norm
    >>> group_norm(Conv2DLayer(InputLayer((None, 1, 8, 8)), 16, 3, name="conv"), 4).name
    'conv_gn_nonlin'
    """
    kwargs["num_groups"] = num_groups
    return _normalised(layer, "gn", "features", True, True, kwargs)


def _normalised(
    layer: Any, suffix: str, axes: str, scale: bool, bias: bool, kwargs: dict[str, Any]
) -> Any:
    nonlinearity = getattr(layer, "nonlinearity", None)
    if nonlinearity is not None:
        layer.nonlinearity = identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    name = kwargs.pop("name", None) or (layer.name and f"{layer.name}_{suffix}")
    layer = StandardizationLayer(layer, name=name, **{"axes": axes, **kwargs})
    if scale:
        layer = ScaleLayer(layer, name=name and f"{name}_scale")
    if bias:
        layer = BiasLayer(layer, name=name and f"{name}_bias")
    if nonlinearity is None or nonlinearity is identity:
        return layer
    return NonlinearityLayer(layer, nonlinearity, name=name and f"{name}_nonlin")
