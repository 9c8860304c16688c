"""Functions of the module ``theano`` itself: compiling, shared variables, copies of graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.io import In as PyTensorIn
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable, equal_computations
from pytensor.graph.replace import clone_replace

from .compiled import compiled
from .config import config
from .modes import as_mode
from .scope import mark_variables, theano_scope, within_scope

__all__ = [
    "In",
    "Param",
    "clone",
    "function",
    "ifelse",
    "is_same_graph",
    "shared",
]


def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
) -> Callable[..., Any]:
    """Compile a function from `inputs` to `outputs`, as ``theano.function``.

    Parameters
    ----------
    inputs : sequence of variables or theano.In
        What the function takes, in order.
    outputs : variable, sequence of variables, or dict of str to variable, optional
        What it returns.
    mode : str or Mode, default=theano.config.mode
        `NanGuardMode` and `MonitorMode` watch what is computed. Theano's other modes, and their
        names, are accepted and mean nothing here; a mode of PyTensor's is obeyed.
    updates : mapping or sequence of (shared variable, expression), optional
        New values of shared variables, computed with the old ones.
    givens : mapping or sequence of (variable, replacement), optional
        Replacements to make in the graph.
    no_default_updates : bool or list of shared variables, default=False
        Random generators that a call does not advance.
    name : str, optional
        What errors call the function.
    allow_input_downcast : bool, optional
        True casts inputs even if that loses precision. The default casts where
        nothing is lost, and scalars of floatX always.
    on_unused_input : {'raise', 'warn', 'ignore'}, default=theano.config.on_unused_input
        What to do about an input that no output needs.
    accept_inplace, rebuild_strict, profile
        As in Theano; `profile` is ignored.

    Returns
    -------
    callable
        Takes arrays, or whatever NumPy makes arrays of.
    """
    if mode is None and config.mode == "NanGuardMode":  # other modes mean nothing
        mode = config.mode
    options: dict[str, Any] = {
        "mode": as_mode("theano.function", mode),
        "accept_inplace": accept_inplace,
        "name": name,
        "rebuild_strict": rebuild_strict,
        "allow_input_downcast": allow_input_downcast,
        "profile": None,  # debugprint of PyTensor's takes what is there for a profile
        "on_unused_input": on_unused_input or config.on_unused_input,
    }
    if no_default_updates is not False:
        options["no_default_updates"] = no_default_updates
    taken = [_input(each, allow_input_downcast) for each in inputs]
    results = list(outputs.values()) if isinstance(outputs, Mapping) else outputs
    inner = compiled(taken, results, updates, givens, options)
    defaults = [getattr(each, "default", None) for each in inputs]
    names = list(outputs) if isinstance(outputs, Mapping) else None
    if names is None and all(default is None for default in defaults):
        return inner
    return _Function(inner, [_input_name(each) for each in inputs], defaults, names)


def _input(value: Any, allow_downcast: bool | None) -> Any:
    """`value`, taking any Python float if it is a scalar of floatX, as Theano's did.

    PyTensor decides that by its own floatX when the function is called.
    """
    if allow_downcast is not None:
        return value
    if isinstance(value, Variable) and _is_float_scalar(value.type):
        return PyTensorIn(value, allow_downcast=True)
    if isinstance(value, In) and value.allow_downcast is None:
        value.allow_downcast = _is_float_scalar(value.variable.type) or None
    return value


def _is_float_scalar(type_: Any) -> bool:
    return getattr(type_, "ndim", None) == 0 and type_.dtype == config.floatX


def _input_name(value: Any) -> str | None:
    return value.name


class _Function:
    """Add default inputs and outputs by name, which PyTensor's functions lack."""

    def __init__(
        self,
        inner: Callable[..., Any],
        inputs: Sequence[str | None],
        defaults: Sequence[Any],
        outputs: Sequence[str] | None,
    ) -> None:
        self._inner = inner
        self._inputs = inputs
        self._defaults = defaults
        self._outputs = outputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        results = self._inner(*self._complete(args, kwargs), **kwargs)
        if self._outputs is None:
            return results
        return dict(zip(self._outputs, results, strict=True))

    def _complete(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """`args`, and the inputs after them by name out of `kwargs`, or by default."""
        values = list(args)
        for name, default in list(zip(self._inputs, self._defaults, strict=True))[len(args) :]:
            if name in kwargs:
                values.append(kwargs.pop(name))
            elif default is not None:
                values.append(default)
            else:
                break
        return values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)


class In(PyTensorIn):
    """An input of a function, as ``theano.In``: perhaps with a default value.

    Parameters
    ----------
    variable : variable
        What is given.
    name : str, optional
        By what keyword; the default is the variable's name.
    value : array-like, optional
        The default value.
    **kwargs
        The other arguments of PyTensor's ``In``.
    """

    def __init__(
        self, variable: Variable, name: str | None = None, value: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(variable, name=name, **kwargs)
        self.default = value


def Param(variable: Any, default: Any = None, name: str | None = None, **kwargs: Any) -> In:  # noqa: N802
    """An input with a default value: what ``theano.In(variable, value=...)`` became later."""
    return In(variable, name, default, **kwargs)


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    **kwargs: Any,
) -> SharedVariable:
    """Make a variable with a value that functions share, as ``theano.shared``.

    Parameters
    ----------
    value : ndarray, number, or numpy Generator
        The value; its dtype becomes the variable's. A Python float is float64,
        whatever floatX is, as it was in Theano.
    name : str, optional
        The variable's name.
    strict : bool, default=False
        Refuse new values of any other dtype.
    allow_downcast : bool, optional
        Cast new values even if that loses precision. The default casts where
        nothing is lost, and scalars of floatX always.
    borrow : bool, default=False
        Keep the array itself, not a copy of it.
    broadcastable : sequence of bool, optional
        True where the length is and remains 1.

    Returns
    -------
    SharedVariable
        Has ``get_value`` and ``set_value``.
    """
    if isinstance(value, np.ndarray):
        kwargs["borrow"] = borrow
        if broadcastable is not None:
            kwargs["shape"] = tuple(1 if each else None for each in broadcastable)
    if allow_downcast is None and np.ndim(value) == 0:
        allow_downcast = str(getattr(value, "dtype", None)) == config.floatX or None
    with theano_scope():
        return mark_variables(
            pytensor.shared(value, name, strict=strict, allow_downcast=allow_downcast, **kwargs)
        )


@within_scope
def clone(output: Any, replace: Any = None, strict: bool = True, share_inputs: bool = True) -> Any:
    """A copy of a graph with some variables replaced, as ``theano.clone``.

    Parameters
    ----------
    output : variable or sequence of variables
        What to copy.
    replace : mapping or sequence of (variable, replacement), optional
        Replacements to make in the copy.
    strict : bool, default=True
        Refuse replacements of another type.
    share_inputs : bool, default=True
        Whether the copy depends on the same inputs. If not, each has a copy of its own: that of
        a shared variable has the same value, now and later, but a `default_update` of its own.

    Returns
    -------
    variable or list of variables
    """
    return clone_replace(output, replace, rebuild_strict=strict, copy_inputs_over=share_inputs)


@within_scope
def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """Compute one of two branches, as ``theano.ifelse.ifelse``."""
    try:
        from pytensor.conditional import ifelse as conditional
    except ImportError:  # PyTensor before 3.1
        from pytensor.ifelse import ifelse as conditional
    return conditional(condition, then_branch, else_branch, name)


def is_same_graph(var1: Any, var2: Any, givens: Any = None) -> bool:
    """Whether two variables are computed alike, as ``theano.gof.graph.is_same_graph``.

    `givens` pairs variables of the one graph with those of the other.
    """
    pairs = dict(givens or {})
    return bool(equal_computations([var1], [var2], list(pairs), list(pairs.values())))
