"""Theano's dictionary of updates, which may be added to others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from pytensor.compile.sharedvalue import SharedVariable

__all__ = ["OrderedUpdates"]


class OrderedUpdates(OrderedDict[Any, Any]):
    """What shared variables become, in order, as ``theano.updates.OrderedUpdates``.

    `scan` and streams of random numbers give such pairs; ``a + b`` and ``a.update(b)`` join
    them, and refuse two meanings for one variable.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(f"OrderedUpdates: keys are shared variables; got {key!r}.")
        super().__setitem__(key, value)

    def update(self, other: Any = None, /, **ignored: Any) -> None:
        """Take over other updates.

        Parameters
        ----------
        other : mapping or iterable of pairs, optional

        Raises
        ------
        KeyError
            If a variable has an update already, and another one.
        """
        pairs: Iterable[Any] = other.items() if isinstance(other, Mapping) else other or ()
        for key, value in pairs:
            if key in self and self[key] is not value:
                raise KeyError(f"Collision: {key} has two updates, {self[key]} and {value}.")
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        joined = OrderedUpdates(self)
        joined.update(other)
        return joined

    def __radd__(self, other: Any) -> OrderedUpdates:
        joined = OrderedUpdates()
        joined.update(other)
        joined.update(self)
        return joined
