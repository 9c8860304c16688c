"""The shapes of a network's parameters, without the memory for their values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..locks import new_lock
from .build import Network, Target, build_network
from .spec import LayerSpec

__all__ = ["parameter_shapes", "sketched", "without_values"]

_sketching = new_lock()


def parameter_shapes(
    layers: Sequence[LayerSpec] | Callable[..., Any] | Any,
    input_shape: tuple[int, ...],
    n_outputs: int | None,
    target: Target,
) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter of a network, by ``<layer>.<parameter>``.

    The network is built, but nothing is drawn, and a parameter of any size
    takes the memory of one number: a file may say what the sizes are.

    Parameters
    ----------
    layers, input_shape, n_outputs, target
        As `build_network` takes them.

    Returns
    -------
    dict of str to tuple of int

    Raises
    ------
    NetworkError
        As `build_network` does.
    """
    network = sketched(layers, input_shape, n_outputs, target)
    params = network.named_params
    return {name: param.get_value(borrow=True).shape for name, param in params.items()}


def sketched(
    layers: Sequence[LayerSpec] | Callable[..., Any] | Any,
    input_shape: tuple[int, ...],
    n_outputs: int | None,
    target: Target,
) -> Network:
    """A network whose parameters take no memory; the arguments are those of `parameter_shapes`."""
    with without_values():
        return build_network(layers, input_shape, n_outputs, target, seed=0)


@contextmanager
def without_values(names: Container[str] | None = None) -> Iterator[None]:
    """Let the parameters that Lasagne creates in this thread be zeros that share one number.

    Parameters
    ----------
    names : collection of str, optional
        ``<layer>.<parameter>`` of those parameters; by default all. The others are drawn.
    """
    import lasagne.utils
    import theano

    here = threading.get_ident()

    def create_param(spec: Any, shape: Sequence[int], name: str | None = None) -> Any:
        # Other arrays, and empty shapes, are errors.
        fits = spec.shape == tuple(shape) if isinstance(spec, np.ndarray) else callable(spec)
        named = names is None or name in names
        if threading.get_ident() != here or not (named and fits and min(shape, default=1) > 0):
            return create(spec, shape, name)
        zeros = np.broadcast_to(np.zeros((), theano.config.floatX), tuple(shape))
        return theano.shared(zeros, name=name, borrow=True)

    with _sketching:
        # Not before: another thread's function, which it takes back, must not stay for good.
        create = lasagne.utils.create_param
        lasagne.utils.create_param = create_param
        try:
            yield
        finally:
            lasagne.utils.create_param = create
