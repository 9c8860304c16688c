"""Operations of variables that differ between Theano and PyTensor.

- A variable is true, as most Python objects are: ``if W:`` asks whether there is one. The result
  of a comparison has no truth value before it is computed, and says so.
- ``(x > 0) + (x < 5)`` counts; PyTensor's booleans add up to a boolean.
- An update, or a ``default_update``, may know more of its shape than the variable does.

Each function here makes the layer that `scope.patch` puts in front of PyTensor's own. Only
variables that descend from the facade see it; everyone else's mean what they did.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["counting", "default_update_of", "fitting_updates", "truth_of"]

_NO_TRUTH = (
    "A comparison of symbolic variables is neither true nor false before a function computes it. "
    "To choose between two expressions use theano.tensor.switch or theano.ifelse.ifelse; for "
    "'and', 'or' and a < b < c use & and |: (a < b) & (b < c)."
)


def truth_of(convert: Callable[[Any], bool], descends: Callable[[Any], bool]) -> Any:
    """``Variable.__bool__``, with PyTensor's own, `convert`, for everyone else."""

    @functools.wraps(convert)
    def truth(self: Any) -> bool:
        if not descends(self):
            return convert(self)
        if _is_comparison(self):
            raise TypeError(_NO_TRUTH)
        return True

    return truth


def _is_comparison(variable: Any) -> bool:
    from pytensor.scalar import basic as scalar

    kinds = (scalar.LT, scalar.LE, scalar.GT, scalar.GE, scalar.EQ, scalar.NEQ)
    node = variable.owner
    return node is not None and isinstance(getattr(node.op, "scalar_op", None), kinds)


def counting(op: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """The inputs of an element-wise Op, as Theano's int8 where arithmetic met booleans alone."""
    from pytensor.scalar import basic as scalar
    from pytensor.tensor import as_tensor_variable, cast

    arithmetic = (
        scalar.Add,
        scalar.Sub,
        scalar.Neg,
        scalar.Pow,
        scalar.IntDiv,
        scalar.Mod,
        scalar.Abs,
        scalar.Sqr,
    )
    if not isinstance(op.scalar_op, arithmetic):
        return inputs
    if any(getattr(getattr(each, "type", None), "dtype", None) != "bool" for each in inputs):
        return inputs
    return [cast(as_tensor_variable(each), "int8") for each in inputs]


def default_update_of(own: property, descends: Callable[[Any], bool]) -> property:
    """``SharedVariable.default_update``, with PyTensor's `own` for everyone else."""
    set_own = own.fset
    assert set_own is not None

    def set_value(self: Any, value: Any) -> None:
        if not descends(self):
            set_own(self, value)
            return
        if value is None:
            self._default_update = None
            return
        update = self.type.filter_variable(value, allow_convert=True)
        self._default_update = _as_type(update, self.type)

    return property(own.fget, set_value, own.fdel, own.__doc__)


def fitting_updates(updates: Any) -> list[tuple[Any, Any]]:
    """Updates as pairs, whose values know no more of their shapes than their variables do."""
    from pytensor.graph.basic import Variable

    pairs = [] if updates is None else updates
    pairs = pairs.items() if hasattr(pairs, "items") else pairs
    return [
        (variable, _as_type(value, variable.type) if isinstance(value, Variable) else value)
        for variable, value in pairs
    ]


def _as_type(variable: Any, type_: Any) -> Any:
    """`variable`, with no more known of its shape than `type_` says; others as they are."""
    from ..ops.view import Loosened

    if variable.type == type_ or not type_.is_super(variable.type):
        return variable
    return Loosened(type_)(variable)
