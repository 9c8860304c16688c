"""Work shared between threads, each with a BLAS of one thread.

A matrix product shared between cores leaves half of its result in the other
core's cache, from where the next step has to fetch it. It is better to let
each core carry its own samples through every step. How samples are divided
depends on their number only, never on the number of threads, so that results
are the same to the last bit wherever and beside whatever they are computed.

Threads are made for each call and end with it: nothing has to survive a fork.
"""

from __future__ import annotations

import _thread
import contextvars
import ctypes
import functools
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from ...locks import wait_at_fork
from ..threads import get_num_threads
from .blas_memory import memory_for_blas

__all__ = ["blas_libraries", "compute_parts", "single_threaded_blas", "split"]

Result = TypeVar("Result")

#: Samples in a part, at most.
PART_SAMPLES = 32
#: Fewer samples than this are not divided.
MIN_SAMPLES = 8


def split(n_samples: int) -> list[slice]:
    """Samples in an even number of equal parts; in one where there are few."""
    if n_samples < MIN_SAMPLES:
        return [slice(0, n_samples)]
    n_parts = 2 * -(-n_samples // (2 * PART_SAMPLES))
    ends = [n_samples * part // n_parts for part in range(n_parts + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def compute_parts(task: Callable[[int], Result], n_parts: int) -> list[Result]:
    """[task(0), task(1), ...], on as many threads as BLAS had and `get_num_threads` allows.

    Called from several threads at a time, only the first call gets helpers. A
    helper that cannot be started, or finds no memory before it has done
    anything, is not missed: the caller's own thread does what is left.
    """
    parts = _Parts(task, n_parts)

    def help_out() -> None:
        # The caller holds BLAS until all parts are done. This thread may come later than that, and
        # would then hold it by itself, and set it back over what somebody has set in between.
        with suppress(MemoryError), _single_threaded_here():
            parts.work()

    with single_threaded_blas() as n_threads:
        for _ in range(min(n_threads, get_num_threads(), n_parts) - 1):
            # `threading.Thread.start` would wait for a thread that died before it began. The
            # context holds what `numpy.errstate` set.
            with suppress(RuntimeError, MemoryError):
                _thread.start_new_thread(contextvars.copy_context().run, (help_out,))
        parts.work()
        parts.wait()
    if parts.errors:
        raise parts.errors[0]
    return parts.results


class _Parts:
    """Parts of a computation, each done by whoever asks for the next."""

    def __init__(self, task: Callable[[int], Any], n_parts: int) -> None:
        self.results: list[Any] = [None] * n_parts
        self.errors: list[BaseException] = []
        self._task = task
        self._pending = deque(range(n_parts))
        self._lock = _thread.allocate_lock()
        self._running = 0
        #: Held while anybody is at work.
        self._busy = _thread.allocate_lock()

    def work(self) -> None:
        """Do parts until none is left, or one has failed."""
        while (part := self._next()) is not None:
            try:
                self.results[part] = self._task(part)
            except BaseException as error:
                self.errors.append(error)
            finally:
                # Nothing here takes memory: without it too, whoever waits has to hear of this.
                with self._lock:
                    self._running -= 1
                    if self._running == 0:
                        self._busy.release()

    def wait(self) -> None:
        """Return when nobody is at work any more, after `work` has found nothing to do."""
        with self._busy:
            pass

    def _next(self) -> int | None:
        with self._lock:
            if self.errors or not self._pending:
                return None
            self._running += 1
            if self._running == 1:
                self._busy.acquire()
            return self._pending.popleft()


@contextmanager
def single_threaded_blas() -> Iterator[int]:
    """Holds BLAS to one thread, and gives the number of threads that this frees.

    Most BLAS libraries have one setting for the whole process: the first of
    several holders changes it and the last restores it. Those that run on
    OpenMP have one for each thread.
    """
    with _single_threaded_here() as own:
        freed = _hold.enter()
        try:
            yield max(own, freed)
        finally:
            _hold.leave()


@contextmanager
def _single_threaded_here() -> Iterator[int]:
    """The same for those libraries alone that have a setting for each thread."""
    with memory_for_blas():
        mine = [library for library in blas_libraries() if library.per_thread]
        before = [library.get_num_threads() for library in mine]
        for library in mine:
            library.set_num_threads(1)
        try:
            yield max([1, *before])
        finally:
            for library, number in zip(mine, before, strict=True):
                library.set_num_threads(number)


class _Hold:
    """Who holds the BLAS libraries that have one setting for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # BLAS has a lock of its own around its number of threads.
        wait_at_fork(self._lock)
        self._n_holders = 0
        self._before: list[tuple[_BlasLibrary, int]] = []

    def enter(self) -> int:
        """Limit them; the number of threads that they had, 1 where they are held already."""
        with self._lock:
            freed = 1
            if self._n_holders == 0:
                shared = [library for library in blas_libraries() if not library.per_thread]
                self._before = [(library, library.get_num_threads()) for library in shared]
                for library in shared:
                    library.set_num_threads(1)
                freed = max((number for _, number in self._before), default=1)
            # Last: whoever meets an error on the way does not hold them.
            self._n_holders += 1
            return freed

    def leave(self) -> None:
        with self._lock:
            self._n_holders -= 1
            if self._n_holders == 0:
                self._restore()

    def forget(self) -> None:
        """In a forked child: the holders are not here."""
        if self._n_holders:
            self._n_holders = 0
            self._restore()

    def _restore(self) -> None:
        for library, number in self._before:
            library.set_num_threads(number)


_hold = _Hold()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_hold.forget)


class _BlasLibrary:
    """A BLAS in this process, and how its number of threads is read and set.

    ``threadpoolctl`` finds it. But of an OpenBLAS with threads of its own,
    ``threadpoolctl`` lets only one Python thread change the number and ignores
    the others; so that one is asked directly.
    """

    def __init__(self, controller: Any) -> None:
        self.per_thread = getattr(controller, "threading_layer", None) == "openmp"
        self.get_num_threads: Callable[[], int] = controller.get_num_threads
        self.set_num_threads: Callable[[int], Any] = controller.set_num_threads
        if controller.internal_api == "openblas" and not self.per_thread:
            library = ctypes.CDLL(controller.filepath)
            for prefix, suffix in itertools.product(("", "scipy_"), ("", "64_", "_64")):
                setter = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
                if setter is not None:
                    self.set_num_threads = setter


@functools.cache
def blas_libraries() -> list[_BlasLibrary]:
    """Each BLAS loaded so far; NumPy's own, the one used here, is."""
    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    return [
        _BlasLibrary(controller)
        for controller in controllers
        if controller.get_num_threads() is not None
    ]
