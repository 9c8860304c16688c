"""Locks that a forked child finds free, and what forks wait for.

A child has one thread. A lock that another thread of its parent held at the
moment of the fork would stay held in it for ever; so would Python's own lock of
a module that was being imported.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["ForkGate", "import_whole", "lazy_attribute", "new_lock", "wait_at_fork"]

T = TypeVar("T")

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> Any:
    """A lock that its holder may take again, and that nobody holds in a forked child.

    For sections that leave nothing half done that a child would see: caches,
    and what can be made again.

    Returns
    -------
    threading.RLock

    Examples
    --------
    >>> lock = new_lock()
    >>> with lock, lock:
    ...     "held twice by one thread"
    'held twice by one thread'
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def wait_at_fork(lock: Any) -> None:
    """Let no fork happen while another thread holds a lock.

    For what a child must not find half done: a lock of somebody else's, or a
    section of ours that changes what cannot be made again.

    Parameters
    ----------
    lock : threading.Lock, ForkGate or the like
        Whoever holds it must not wait for a fork, nor for another such lock.

    Notes
    -----
    It waits for a fork in progress: what happened next under the new lock,
    that fork would not wait for.
    """
    with _importing:
        _waited_for.append(lock)


class ForkGate:
    """A section that any number of threads may be in at a time, and that forks wait for.

    For calls of a library that has locks of its own.

    Examples
    --------
    >>> gate = ForkGate()
    >>> wait_at_fork(gate)
    >>> with gate:
    ...     "called"
    'called'
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._n_inside = 0

    def __enter__(self) -> None:
        with self._changed:
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._n_inside -= 1
            self._changed.notify_all()

    def acquire(self) -> None:
        """Wait until nobody is inside, and let nobody in: for who forks."""
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._n_inside)

    def release(self) -> None:
        """Let others in again."""
        self._changed.release()


def import_whole(*names: str) -> None:
    """Import modules at their first use; a forked child finds each whole, or not at all.

    A fork waits for it. Where the modules are there already, nothing happens.

    Parameters
    ----------
    *names : str
        Modules, by their full names.

    Examples
    --------
    >>> import_whole("json.decoder")
    """
    if all(map(_is_whole, names)):
        return
    with _importing:
        for name in names:
            importlib.import_module(name)


def _is_whole(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


class lazy_attribute(Generic[T]):  # noqa: N801  (used as a decorator, as `property` is)
    """`functools.cached_property` without the lock that it has up to Python 3.11.

    Two threads may both compute the attribute, so it must be the same each time. `func` is what
    computes it, as there.

    Examples
    --------
    >>> class Circle:
    ...     @lazy_attribute
    ...     def area(self):
    ...         return 3.14
    >>> Circle().area
    3.14
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.func = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]
        # Not a data descriptor: from now on the instance's own attribute is found first.
        value = instance.__dict__[self._name] = self.func(instance)
        return value


_importing = new_lock()
_waited_for: list[Any] = [_importing]
#: Those that a fork in progress holds: in this order, so that two forks do not wait for each other.
_taken: list[Any] = []


def _take() -> None:
    # `_importing` is the first: none is added from then on.
    for lock in _waited_for:
        lock.acquire()
        _taken.append(lock)


def _give_back() -> None:
    while _taken:
        _taken.pop().release()


def _free_all() -> None:
    _give_back()
    for lock in _locks:
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    # Once and for all: what is registered while another thread forks would be half done.
    os.register_at_fork(before=_take, after_in_parent=_give_back, after_in_child=_free_all)
