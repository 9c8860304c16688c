"""Locks that a forked child finds free.

A child has one thread. A lock that another thread of its parent held at the
moment of the fork would stay held in it for ever.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

__all__ = ["new_lock"]

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


def _free_all() -> None:
    for lock in _locks:
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)
