"""Dropout of whole channels or places, as in later Lasagne."""

from __future__ import annotations

from typing import Any

from theano import tensor

from ..nonlinearities import Selu, selu
from ..theano_facade import theano_scope
from ..theano_facade.lasagne_modules import original
from .shared_axes import axes_shared

__all__ = [
    "AlphaDropoutLayer",
    "DropoutLayer",
    "alpha_dropout",
    "dropout_channels",
    "dropout_locations",
    "spatial_dropout",
]

_Dropout: Any = original("lasagne.layers.noise", "DropoutLayer")


class DropoutLayer(_Dropout):
    """Lasagne's dropout, which may also drop along whole axes.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on.
    p : float or scalar expression, default=0.5
        The probability of becoming 0.
    rescale : bool, default=True
        Divide what stays by 1 - p.
    shared_axes : tuple of int, default=()
        The axes along which all are dropped or all stay.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    See Also
    --------
    dropout_channels : Drop whole channels.
    dropout_locations : Drop all channels of a place.

    Examples
    --------
    >>> from convnet_features.layers import DropoutLayer
    >>> DropoutLayer((None, 16, 8, 8), p=0.2, shared_axes=(2, 3)).output_shape
    (None, 16, 8, 8)
    """

    # Layers of Lasagne 0.1 that were pickled know nothing of it.
    shared_axes: tuple[int, ...] = ()

    def __init__(
        self,
        incoming: Any,
        p: Any = 0.5,
        rescale: bool = True,
        shared_axes: Any = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, p, rescale, **kwargs)
        self.shared_axes = axes_shared(type(self).__name__, shared_axes, self.input_shape)

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """What stays of `input`; all of it if `deterministic`."""
        if not self.shared_axes or deterministic or self.p == 0:
            return super().get_output_for(input, deterministic=deterministic, **kwargs)
        with theano_scope():
            kept = self._kept(input)
            return input * (kept / (1 - self.p) if self.rescale else kept)

    def _kept(self, input: Any) -> Any:
        """Ones where `input` stays, and zeros where it is dropped."""
        shared = self.shared_axes
        sizes = input.shape if None in self.input_shape else self.input_shape
        shape = tuple(1 if axis in shared else sizes[axis] for axis in range(input.ndim))
        kept = self._srng.binomial(shape, p=1 - self.p, dtype=input.dtype)
        return tensor.addbroadcast(kept, *shared)


class AlphaDropoutLayer(DropoutLayer):
    """Dropout for `selu`: it keeps the mean 0 and the variance 1 of what comes in.

    What is dropped becomes `alpha`, the value of `selu` at -∞, and all is mapped by
    a · x + b, where a = (q + q · p · alpha²)^(-1/2), b = -a · p · alpha and q = 1 - p.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on.
    p : float or scalar expression, default=0.1
        The probability of being dropped.
    rescale : bool, default=True
        False leaves out the map.
    shared_axes : tuple of int, default=()
        The axes along which all are dropped or all stay.
    alpha : float or nonlinearity, optional
        What a dropped value becomes: by default -1.7581, that of `selu`; that of a `SELU`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter (2017), "Self-normalizing neural networks".

    Examples
    --------
    >>> from convnet_features.layers import AlphaDropoutLayer
    >>> round(AlphaDropoutLayer((None, 16)).alpha, 4)
    -1.7581
    """

    def __init__(
        self,
        incoming: Any,
        p: Any = 0.1,
        rescale: bool = True,
        shared_axes: Any = (),
        alpha: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, p, rescale, shared_axes, **kwargs)
        alpha = selu if alpha is None else alpha
        self.alpha = -alpha.alpha * alpha.gamma if isinstance(alpha, Selu) else alpha

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """What stays and what was dropped, mapped; the input if `deterministic`."""
        if deterministic or self.p == 0:
            return input
        with theano_scope():
            kept = self._kept(input)
            output = input * kept + self.alpha * (1 - kept)
            if not self.rescale:
                return output
            p, q = self.p, 1 - self.p
            a = (q + q * p * self.alpha**2) ** -0.5
            return a * output - a * p * self.alpha


alpha_dropout = AlphaDropoutLayer


def dropout_channels(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Dropout of whole channels: each is dropped, or stays, at all places together.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    *args, **kwargs
        Further arguments of `DropoutLayer`.

    Returns
    -------
    DropoutLayer

    Examples
    --------
    >>> from convnet_features.layers import dropout_channels
    >>> dropout_channels((None, 16, 8, 8), p=0.2).shared_axes
    (2, 3)
    """
    n_axes = len(getattr(incoming, "output_shape", incoming))
    kwargs["shared_axes"] = tuple(range(2, n_axes))
    return DropoutLayer(incoming, *args, **kwargs)


spatial_dropout = dropout_channels


def dropout_locations(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Dropout of whole places: all channels of one are dropped, or stay, together.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...).
    *args, **kwargs
        Further arguments of `DropoutLayer`.

    Returns
    -------
    DropoutLayer

    Examples
    --------
    >>> from convnet_features.layers import dropout_locations
    >>> dropout_locations((None, 16, 8, 8), p=0.2).shared_axes
    (1,)
    """
    kwargs["shared_axes"] = (1,)
    return DropoutLayer(incoming, *args, **kwargs)
