"""Theano's floatX for Theano's variables, and PyTensor's for all others.

PyTensor reads ``floatX`` from one configuration for the whole process, also
where the operand of ``x * 0.1`` becomes a constant. Code of 2015 expects
float32 there; a PyMC user in the same process expects float64. So

- a call into the facade runs within `theano_scope`, which gives the current
  thread the facade's floatX and no C compiler, and no other thread;
- what the facade makes is marked as its own, and an operator (or ``eval``)
  asks its operands whether they descend from it.

PyTensor's configuration itself never changes. What Theano's variables meant
where PyTensor's mean something else (`meanings`) is decided by the same marks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .config import config

__all__ = [
    "descends",
    "mark_type",
    "mark_variables",
    "patch",
    "theano_scope",
    "unpatch",
    "within_scope",
]

_MARK = "theano_facade"

#: The flags that a scope gives its thread; None outside every scope.
_scope: ContextVar[dict[str, Any] | None] = ContextVar("theano_facade_scope", default=None)

_undo: list[Callable[[], None]] = []


@contextmanager
def theano_scope() -> Iterator[None]:
    """Run a block under Theano's floatX, in this thread only, with no C compiler to be had.

    Graphs that are built from Lasagne layers or with ``theano.tensor`` belong
    within it where Python numbers meet variables that PyTensor made itself.
    """
    patch()
    # No stack is kept with every node: that takes a third of the time of building a graph.
    token = _scope.set({"floatX": config.floatX, "cxx": "", "traceback__limit": 0})
    try:
        yield
    finally:
        _scope.reset(token)


def within_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run within a `theano_scope`, its results marked as the facade's."""

    @functools.wraps(function)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        with theano_scope():
            return mark_variables(function(*args, **kwargs))

    return scoped


def mark_variables(value: Any) -> Any:
    """Mark as the facade's every variable in `value`, one or a sequence; return `value`."""
    from pytensor.graph.basic import Variable

    if isinstance(value, Variable):
        setattr(value.tag, _MARK, True)
    elif isinstance(value, list | tuple):
        for item in value:
            mark_variables(item)
    return value


def descends(variable: Any) -> bool:
    """Whether the facade made `variable`, or anything that it is computed from.

    The answer is kept on every variable on the way, so that building a graph
    of n nodes asks n times, not n².
    """
    stack = [variable]
    while stack:
        current = stack[-1]
        if _known(current) is not None:
            stack.pop()
            continue
        inputs = current.owner.inputs if current.owner is not None else []
        unknown = [value for value in inputs if _known(value) is None]
        if unknown and not any(_known(value) for value in inputs):
            stack.extend(unknown)
            continue
        setattr(current.tag, _MARK, any(_known(value) for value in inputs))
        stack.pop()
    return bool(_known(variable))


def _is_ours(variable: Any) -> bool:
    """Whether whoever asks about `variable` is to be answered as Theano would."""
    return _scope.get() is not None or descends(variable)


def _known(variable: Any) -> bool | None:
    """True or False where it is known whose `variable` is, otherwise None."""
    mark = getattr(variable.tag, _MARK, None)
    if mark is not None:
        return mark
    from pytensor.graph.basic import AtomicVariable

    # Constants that nobody marked are neutral. So are the placeholders of inner graphs, which
    # PyTensor shares between graphs: one must not carry another's mark.
    if isinstance(variable, AtomicVariable):
        return False
    return True if getattr(variable.type, _MARK, False) else None


def mark_type(type_: Any) -> Any:
    """Mark a fresh PyTensor type, so that the variables made from it are the facade's."""
    setattr(type_, _MARK, True)
    return type_


class _ScopedFlag:
    """A flag of PyTensor's that a scope of the current thread may answer instead."""

    def __init__(self, flag: Any) -> None:
        self.flag = flag

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        values = _scope.get()
        if owner is None or values is None:
            return self.flag.__get__(owner, kind)
        return values[self.flag.name]

    def __set__(self, owner: Any, value: Any) -> None:
        self.flag.__set__(owner, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.flag, name)


def patch() -> None:
    """Put the scope, and Theano's meanings, in front of PyTensor's; once."""
    if _undo:
        return
    import pytensor
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.basic import Variable
    from pytensor.tensor import basic
    from pytensor.tensor.elemwise import Elemwise
    from pytensor.tensor.variable import _tensor_py_operators as operators

    from .meanings import default_update_of, truth_of

    parser = type(pytensor.config)
    for name in ("floatX", "cxx", "traceback__limit"):
        _replace(parser, name, _ScopedFlag(parser.__dict__[name]))
    _replace(Elemwise, "make_node", _scoped_make_node(Elemwise.make_node))
    _replace(Variable, "eval", _scoped_eval(Variable.eval))
    _replace(operators, "__bool__", truth_of(operators.__bool__, _is_ours))
    default_update: Any = SharedVariable.default_update
    _replace(SharedVariable, "default_update", default_update_of(default_update, descends))
    _replace(basic, "infer_static_shape", _scoped_static_shape(basic.infer_static_shape))


def unpatch() -> None:
    """Take the scope out of PyTensor again."""
    while _undo:
        _undo.pop()()


def _replace(owner: Any, name: str, value: Any) -> None:
    old = owner.__dict__[name]
    setattr(owner, name, value)
    _undo.append(lambda: setattr(owner, name, old))


def _scoped_static_shape(infer: Callable[..., Any]) -> Callable[..., Any]:
    """What an array of zeros, say, knows of its shape before it is made.

    PyTensor rewrites a copy of everything that the shape is computed from, which
    may be the whole network in front: n layers would take n² time.
    """

    @functools.wraps(infer)
    def scoped(shape: Any) -> Any:
        from pytensor.tensor.basic import as_tensor_variable
        from pytensor.tensor.type import integer_dtypes

        from ..ops.static import static_int

        sizes = [as_tensor_variable(size, ndim=0) for size in shape]
        ours = _scope.get() is not None or any(map(descends, sizes))
        if not ours or any(size.type.dtype not in integer_dtypes for size in sizes):
            return infer(shape)
        return sizes, tuple(static_int(size) for size in sizes)

    return scoped


def _scoped_make_node(make_node: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(make_node)
    def scoped(self: Any, *inputs: Any) -> Any:
        from pytensor.graph.basic import Variable

        from .meanings import counting

        if _scope.get() is not None:
            return make_node(self, *counting(self, inputs))
        if any(isinstance(value, Variable) and descends(value) for value in inputs):
            with theano_scope():
                return make_node(self, *counting(self, inputs))
        return make_node(self, *inputs)

    return scoped


def _scoped_eval(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(evaluate)
    def scoped(self: Any, inputs_to_values: Any = None, **kwargs: Any) -> Any:
        if "mode" in kwargs or not descends(self):
            return evaluate(self, inputs_to_values, **kwargs)
        from .compiled import evaluation_mode

        with theano_scope():
            return evaluate(self, inputs_to_values, mode=evaluation_mode(), **kwargs)

    return scoped
