"""Work shared between threads, each with a BLAS of one thread.

A matrix product shared between cores leaves half of its result in the other
core's cache, from where the next step has to fetch it. It is better to let
each core carry its own samples through every step. How samples are divided
depends on their number only, never on the number of threads, so that results
are the same to the last bit wherever and beside whatever they are computed.

Threads are made for each call and end with it: nothing has to survive a fork.
"""

from __future__ import annotations

import contextvars
import functools
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["compute_parts", "single_threaded_blas", "split"]

Result = TypeVar("Result")

#: Samples in a part, at most.
PART_SAMPLES = 32
#: Fewer samples than this are not divided.
MIN_SAMPLES = 8

_lock = threading.Lock()
_n_holders = 0
_n_threads_before: list[int] = []


def split(n_samples: int) -> list[slice]:
    """Samples in an even number of equal parts; in one where there are few."""
    if n_samples < MIN_SAMPLES:
        return [slice(0, n_samples)]
    n_parts = 2 * -(-n_samples // (2 * PART_SAMPLES))
    ends = [n_samples * part // n_parts for part in range(n_parts + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def compute_parts(task: Callable[[int], Result], n_parts: int) -> list[Result]:
    """[task(0), task(1), ...], on as many threads as BLAS had.

    Called from several threads at a time, only the first call gets helpers.
    """
    results: list[Any] = [None] * n_parts
    errors: list[BaseException] = []
    pending = deque(range(n_parts))

    def work() -> None:
        while not errors:
            try:
                part = pending.popleft()
            except IndexError:
                return
            try:
                results[part] = task(part)
            except BaseException as error:
                errors.append(error)

    with single_threaded_blas() as n_threads:
        helpers = [
            # The context holds what `numpy.errstate` set.
            threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
            for _ in range(min(n_threads, n_parts) - 1)
        ]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
    if errors:
        raise errors[0]
    return results


@contextmanager
def single_threaded_blas() -> Iterator[int]:
    """Holds BLAS to one thread, and gives the number of threads that this frees.

    BLAS has one setting for the whole process: the first of several holders
    changes it and the last restores it.
    """
    global _n_holders
    libraries = _blas_libraries()
    with _lock:
        first = _n_holders == 0
        if first:
            _n_threads_before[:] = [library.get_num_threads() or 1 for library in libraries]
            _set_threads([1] * len(libraries))
        _n_holders += 1
        n_threads = max(_n_threads_before, default=1) if first else 1
    try:
        yield n_threads
    finally:
        with _lock:
            _n_holders -= 1
            if _n_holders == 0:
                _set_threads(_n_threads_before)


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(_blas_libraries(), numbers, strict=True):
        library.set_num_threads(number)


def _forget_holders() -> None:
    """In a forked child: the threads that held BLAS, and perhaps the lock, are not here."""
    global _lock, _n_holders
    _lock = threading.Lock()
    if _n_holders:
        _n_holders = 0
        _set_threads(_n_threads_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_holders)


@functools.cache
def _blas_libraries() -> list[Any]:
    """What sets the threads of each BLAS in this process; NumPy's own is there by now."""
    return ThreadpoolController().select(user_api="blas").lib_controllers
