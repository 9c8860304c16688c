"""Parameters of layers that are expressions of others, as in later Lasagne.

``DenseLayer(encoded, 784, W=encoder.W.T)`` is an autoencoder with tied weights: its parameter is
computed from a shared variable, which is what is trained, counted, saved and loaded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .lasagne_utils import collect_shared_vars

__all__ = ["create_param", "with_shared_variables"]


def create_param(spec: Any, shape: tuple[int, ...], name: str | None = None) -> Any:
    """A layer's parameter, from what was given for it.

    Parameters
    ----------
    spec : shared variable, symbolic expression, ndarray, number, or callable
        The parameter itself; its first value; or what gives that for `shape`. A number is for
        parameters of no dimension.
    shape : tuple of int
    name : str, optional
        Of a new shared variable.

    Returns
    -------
    shared variable or symbolic expression

    Raises
    ------
    RuntimeError
        If an expression or a value has other dimensions, or if `spec` is something else.

    Examples
    --------
    >>> import numpy as np, theano
    >>> from convnet_features.theano_facade.lasagne_parameters import create_param
    >>> W = theano.shared(np.zeros((2, 3)), name="W")
    >>> create_param(W.T, (3, 2)).eval().shape
    (3, 2)
    """
    import numpy as np
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.basic import Variable

    from .lasagne_modules import original

    if isinstance(spec, Variable) and not isinstance(spec, SharedVariable):
        if spec.ndim != len(shape):
            raise RuntimeError(
                f"parameter {name or ''}: the expression has {spec.ndim} dimensions, should be "
                f"{len(shape)}: {tuple(shape)}."
            )
        return spec
    if isinstance(spec, int | float | np.number):
        spec = np.asarray(spec)
    return original("lasagne.utils", "create_param")(spec, shape, name)


def with_shared_variables(get_params: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """``Layer.get_params``, giving the shared variables that expressions are computed from."""
    from pytensor.compile.sharedvalue import SharedVariable

    @functools.wraps(get_params)
    def unwrapped(self: Any, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
        params = get_params(self, **tags)
        if not unwrap_shared or all(isinstance(each, SharedVariable) for each in params):
            return params
        return collect_shared_vars(params)

    return unwrapped
