"""The memory that BLAS works in, taken before it is needed.

OpenBLAS copies the matrices of a product into a buffer of its own: one for
each thread that is in it at the same time, of 32 MiB as NumPy's wheels build
it, kept for whoever comes next (its ``driver/others/memory.c``). Where it cannot
map another it ends the process, and whatever other threads compute with it.
Here threads are counted before they call it. Where there are more than ever
before, one more buffer is put into its store, after a try whether there is
memory for it: what is missing then is a MemoryError, and harms nobody.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ...locks import new_lock

__all__ = ["memory_for_blas"]

#: The size of a buffer, where whoever built OpenBLAS has not asked for less.
BUFFER_BYTES = 128 << 20
#: More than OpenBLAS takes from the heap for a product that its own threads share.
SHARING_BYTES = 1 << 20


@contextmanager
def memory_for_blas() -> Iterator[None]:
    """Within it, the calling thread may call BLAS. May be nested, and decorates functions.

    Raises
    ------
    MemoryError
        There is not enough for BLAS to work in.
    """
    if getattr(_thread, "counted", False):
        yield
        return
    _buffers.enter()
    _thread.counted = True
    try:
        _try_to_take(SHARING_BYTES)
        yield
    finally:
        _thread.counted = False
        _buffers.leave()


class _Store(NamedTuple):
    """What OpenBLAS's own functions take buffers from, and give them back to."""

    take: Callable[[int], int | None]
    give_back: Callable[[int], None]


class _Buffers:
    """As many buffers as threads have ever been counted at a time."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._n_users = 0
        self._known: set[int] = set()

    def enter(self) -> None:
        """Count one more thread."""
        with self._lock:
            if self._n_users >= len(self._known):
                self._provide(self._n_users + 1)
            self._n_users += 1

    def leave(self) -> None:
        with self._lock:
            self._n_users -= 1

    def forget(self) -> None:
        """In a forked child: buffers that other threads of the parent used count as used."""
        self._n_users = 0
        self._known = set()

    def _provide(self, number: int) -> None:
        """Let the store have `number` buffers, those that are in use now included."""
        store = _store()
        if store is None:
            return
        taken = []
        try:
            # A buffer that was free before may come first. It is kept until the new one is there.
            while len(self._known) < number:
                _try_to_take(BUFFER_BYTES)
                buffer = store.take(0)
                if buffer is None:
                    raise MemoryError(f"OpenBLAS has no buffers for {number} threads at a time")
                taken.append(buffer)
                self._known.add(buffer)
        finally:
            for buffer in taken:
                store.give_back(buffer)


def _try_to_take(n_bytes: int) -> None:
    """Ask the system for memory, and give it back untouched."""
    try:
        np.empty(n_bytes, np.uint8)
    except MemoryError:
        raise MemoryError(
            f"matrix products need {n_bytes >> 20} MiB for their own work, and there is less: "
            "free memory, or raise the limit that is set for this process"
        ) from None


@functools.cache
def _store() -> _Store | None:
    """That of the OpenBLAS that NumPy calls; None for any other BLAS."""
    # A name is looked up in the libraries that this one was linked with, too. The interpreter's
    # lock is kept during calls, so that none of its threads takes the memory just tried.
    numpy = ctypes.PyDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    try:
        take, give_back = numpy.blas_memory_alloc, numpy.blas_memory_free
    except AttributeError:
        return None
    take.argtypes, take.restype = [ctypes.c_int], ctypes.c_void_p
    give_back.argtypes, give_back.restype = [ctypes.c_void_p], None
    return _Store(take, give_back)


_thread = threading.local()
_buffers = _Buffers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_buffers.forget)
