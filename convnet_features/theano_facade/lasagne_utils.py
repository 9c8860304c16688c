"""``lasagne.utils`` of the later version."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["collect_shared_vars", "inspect_kwargs"]


def collect_shared_vars(expressions: Any) -> list[Any]:
    """Every shared variable that expressions depend on, once.

    Parameters
    ----------
    expressions : symbolic expression, or list of them

    Returns
    -------
    list of shared variables

    Examples
    --------
    >>> import numpy as np, theano
    >>> from convnet_features.theano_facade.lasagne_utils import collect_shared_vars
    >>> a, b = (theano.shared(np.zeros(3), name=name) for name in "ab")
    >>> collect_shared_vars([a + b, 2 * b])
    [a, b]
    """
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import graph_inputs

    several: Iterable[Any] = expressions if isinstance(expressions, list | tuple) else [expressions]
    inputs = [each for expression in several for each in graph_inputs([expression])]
    return [each for each in dict.fromkeys(inputs) if isinstance(each, SharedVariable)]


def inspect_kwargs(func: Callable[..., Any]) -> list[str]:
    """The names of the arguments of a function that have defaults.

    Parameters
    ----------
    func : callable

    Returns
    -------
    list of str

    Examples
    --------
    >>> from convnet_features.theano_facade.lasagne_utils import inspect_kwargs
    >>> inspect_kwargs(lambda a, b=1, *, c=2: None)
    ['b', 'c']
    """
    parameters = inspect.signature(func).parameters.values()
    return [each.name for each in parameters if each.default is not inspect.Parameter.empty]
