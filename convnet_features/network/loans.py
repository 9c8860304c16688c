"""Parameters' arrays that others have got, and may write to.

Who keeps nothing of an array but its address, and writes there later, is not noticed: give a
parameter its numbers by ``set_value``.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from operator import gt
from types import SimpleNamespace
from typing import Any

import numpy as np
from pytensor.link.basic import Container

__all__ = ["Loans", "WatchedContainer", "next_number"]

#: Whether references are counted, and exactly: not by every Python.
_COUNTED = hasattr(sys, "getrefcount") and getattr(sys, "_is_gil_enabled", lambda: True)()

_numbers = count(1)


def next_number() -> int:
    """A number that no loan has had: of two threads, each gets its own."""
    return next(_numbers)


class WatchedContainer(Container):
    """A shared variable's container that numbers its loans.

    Whoever reads its value may write to it later, and whoever sets it has written. A loan gets
    its number when the borrower holds what was lent: `Loans` asks for numbers first and for
    borrowers after that, so that one of the two shows every loan.
    """

    #: The number of the last loan.
    lent = 0

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickles and copies are plain containers."""
        self.lent = next_number()
        state = {name: value for name, value in vars(self).items() if name != "lent"}
        return object.__new__, (Container,), state

    def _value(self) -> Any:
        value = self._storage()[0]
        self.lent = next_number()
        return value

    def _set_value(self, value: Any) -> None:
        try:
            Container.__set__(self, value)
        finally:
            self.lent = next_number()

    def _storage(self) -> list[Any]:
        storage: list[Any] = vars(self)["storage"]
        self.lent = next_number()
        return storage

    def _set_storage(self, storage: list[Any]) -> None:
        self.__dict__["storage"] = storage
        self.lent = next_number()

    data = property(_value, _set_value)
    value = property(_value, _set_value)
    storage = property(_storage, _set_storage)


class Loans:
    """Tells whether parameters can have changed, without a look at their numbers.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        All parameters. Nobody but its model and this object holds it, and it owns its memory.
    params : sequence of (shared variable, ndarray)
        Each parameter, and the view of `theta` that is its value.
    """

    def __init__(self, theta: np.ndarray, params: Sequence[tuple[Any, np.ndarray]]) -> None:
        self.theta = theta
        self.params = params
        for variable, _ in params:
            if type(variable.container) is Container:
                variable.container.__class__ = WatchedContainer

    def take_in(self) -> None:
        """Copy into `theta` what somebody gave a parameter with ``set_value``."""
        for variable, view in self.params:
            value = vars(variable.container)["storage"][0]
            if value is not view:
                view[...] = value
                variable.set_value(view, borrow=True)

    def numbers(self) -> list[int | None]:
        """The number of each parameter's last loan; None of one that cannot be watched."""
        return [getattr(variable.container, "lent", None) for variable, _ in self.params]

    def are_open(self) -> bool:
        """Whether anybody may hold `theta`, a part of it, or where a variable keeps its value."""
        if not _COUNTED:
            return True
        of_theta, *of_others = _references(self)
        # Not once and for all: who traces Python may hold what a frame's variables are.
        own, *unlent = _without_loans()
        return of_theta - len(self.params) > own or any(map(gt, of_others, unlent))


def _references(loans: Any) -> tuple[int, int, int]:
    """How many there are to `theta`, and at most to a view, and to a list with a value."""
    counted: Callable[[Any], int] = _counted
    of_views = of_storages = 0
    for variable, view in loans.params:
        of_views = max(of_views, counted(view))
        of_storages = max(of_storages, counted(vars(variable.container)["storage"]))
    return counted(loans.theta), of_views, of_storages


def _counted(value: Any) -> int:
    """References to a value, and what references may be made of at any time."""
    return sys.getrefcount(value) + weakref.getweakrefcount(value)


def _without_loans() -> tuple[int, int, int]:
    """What `_references` gives where nobody has borrowed anything, but for the views' own."""
    model: Any = SimpleNamespace(theta=np.zeros(1, dtype=np.float32))
    container = SimpleNamespace(storage=[model.theta[:1]])
    params = [(SimpleNamespace(container=container), container.storage[0])]
    found = _references(SimpleNamespace(theta=model.theta, params=params))
    return found[0] - len(params), found[1], found[2]
