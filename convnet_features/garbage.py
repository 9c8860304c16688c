"""Python's collector of cycles, out of the way while much is built and hardly anything dropped."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .locks import new_lock, wait_at_fork

__all__ = ["no_collections"]

_lock = new_lock()
_n_inside = 0
_was_enabled = False

# A child must not find the collector off, and nobody inside.
wait_at_fork(_lock)


@contextmanager
def no_collections() -> Iterator[None]:
    """A section in which the collector does not run, in any thread.

    A symbolic graph is tens of thousands of objects that refer to each other. The collector goes
    through them again and again while they are made, finds nothing, and takes a third of the
    time.

    Examples
    --------
    >>> import gc
    >>> with no_collections():
    ...     gc.isenabled()
    False
    """
    global _n_inside, _was_enabled
    with _lock:
        if not _n_inside:
            _was_enabled = gc.isenabled()
            gc.disable()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            # A child that was forked in here has left already.
            _n_inside = max(0, _n_inside - 1)
            if not _n_inside and _was_enabled:
                gc.enable()


def _leave_in_child() -> None:
    """The threads that were inside are not there any more."""
    global _n_inside
    if _n_inside and _was_enabled:
        gc.enable()
    _n_inside = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_child)
