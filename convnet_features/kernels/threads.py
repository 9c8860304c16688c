"""How many threads the kernels use: one setting for all of them.

The number for a call is the smallest of

- what `set_num_threads` said, else ``CONVNET_FEATURES_NUM_THREADS``, else
  ``OMP_NUM_THREADS``, else the processors that this process may use (its CPU
  affinity and its container's quota count);
- the limit that ``threadpoolctl`` has set in the calling thread, if any;
- what OpenMP grants: no more than ``OMP_THREAD_LIMIT``, and 1 where
  ``OMP_MAX_ACTIVE_LEVELS`` is 0 or the caller is a thread of a parallel region;
- 1 in a forked child of a process whose OpenMP threads may have run: those
  threads do not exist in the child, and waiting for them would never end.

These limits are read from the very OpenMP runtime that oneDNN runs on, at each
call. oneDNN's primitives must be run by as many threads as they were made for:
by fewer, they leave their results unwritten, or wait for ever. So a program is
made for the team that a region was seen to have (`team`), and while it runs
OpenMP may not choose a smaller one by itself (``OMP_DYNAMIC``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..environment import first_thread_count

__all__ = ["THREADS_VARIABLE", "get_num_threads", "openmp_threads", "set_num_threads"]

#: An environment variable with the number of threads to use.
THREADS_VARIABLE = "CONVNET_FEATURES_NUM_THREADS"
SPIN_VARIABLE = "GOMP_SPINCOUNT"
#: Turns of libgomp's waiting loop: some 20 to 150 µs, longer than from one primitive to the next.
SPINS = 3000


class _State:
    """What is known of this process; one instance."""

    setting: int | None = None
    default: int | None = None
    openmp: Any = None
    count_team: Callable[[int], int] = staticmethod(int)
    #: What OpenMP gives a thread that nobody has limited.
    unlimited: int = 0
    openmp_may_have_run = False
    forked = False
    #: OpenMP believes in threads that stayed behind in the parent.
    lost_threads = False


_state = _State()


def set_num_threads(number: int | None) -> None:
    """Use `number` threads from now on; None returns to the default.

    Parameters
    ----------
    number : int or None
        At least 1.

    Raises
    ------
    ValueError
        `number` is below 1.
    """
    _state.setting = None if number is None else _at_least_one(number, "the number of threads")


def get_num_threads() -> int:
    """How many threads a kernel called from this thread would use now."""
    wanted = _state.setting or _default()
    if _state.lost_threads:
        return 1
    openmp = _state.openmp
    if openmp is None:
        return wanted
    allowed = openmp.omp_get_max_threads()
    if allowed < _state.unlimited:
        wanted = min(wanted, allowed)
    if wanted == 1 or openmp.omp_in_parallel() or openmp.omp_get_max_active_levels() < 1:
        # The other threads of a region around this one are at work already.
        return 1
    return min(wanted, openmp.omp_get_thread_limit())


def team(number: int) -> int:
    """How many threads are there in a region that this thread starts with `number`: at most that.

    OpenMP promises what `get_num_threads` says; here they are counted.
    """
    if number == 1:
        return 1
    with openmp_threads(number):
        return _state.count_team(number)


@contextmanager
def openmp_threads(number: int) -> Iterator[None]:
    """Let OpenMP regions that this thread starts have `number` threads, and not fewer."""
    before = enter_openmp(number)
    try:
        yield
    finally:
        leave_openmp(before)


def enter_openmp(number: int) -> tuple[int, int]:
    """Set OpenMP's number of threads for this thread; returns what `leave_openmp` needs."""
    openmp = _state.openmp
    if number > 1:
        _state.openmp_may_have_run = True
    before, dynamic = openmp.omp_get_max_threads(), openmp.omp_get_dynamic()
    if dynamic:
        openmp.omp_set_dynamic(0)
    if before == number:
        return 0, dynamic
    openmp.omp_set_num_threads(number)
    return before, dynamic


def leave_openmp(before: tuple[int, int]) -> None:
    """Undo `enter_openmp`."""
    number, dynamic = before
    if number:
        _state.openmp.omp_set_num_threads(number)
    if dynamic:
        _state.openmp.omp_set_dynamic(1)


def use_openmp(library: Any, count_team: Callable[[int], int]) -> None:
    """Ask `library`, which has OpenMP's functions, for limits from now on.

    `count_team` starts a region with so many threads, and counts those it gets.
    """
    # A new thread has no limit of its own, whatever threadpoolctl did to this one.
    asker = threading.Thread(target=lambda: answers.append(library.omp_get_max_threads()))
    answers: list[int] = []
    asker.start()
    asker.join()
    _state.unlimited = answers[0]
    _state.default = None
    _state.openmp = library
    _state.count_team = count_team


@contextmanager
def short_waits() -> Iterator[None]:
    """Have an OpenMP runtime that is loaded meanwhile put idle threads to sleep early.

    libgomp's threads wait for each other in a loop that takes up to 16 ms on
    some processors before they sleep. Where other processes want the same
    cores, the one waited for cannot run in the meantime: a training step took
    thirty times as long beside a single busy process (docs/design/journal.md).
    Whoever has set ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY`` knows better.
    """
    if "OMP_WAIT_POLICY" in os.environ or SPIN_VARIABLE in os.environ:
        yield
        return
    # Read once, when the runtime is loaded; no business of child processes.
    os.environ[SPIN_VARIABLE] = str(SPINS)
    try:
        yield
    finally:
        os.environ.pop(SPIN_VARIABLE, None)


def note_foreign_openmp() -> None:
    """Call before oneDNN is loaded: has another library brought its OpenMP runtime already?

    If so it may have run threads that a fork would lose, unseen by us.
    """
    try:
        with open("/proc/self/maps") as maps:
            shared = any("/libgomp.so" in line for line in maps)
    except OSError:
        shared = False
    _state.openmp_may_have_run = _state.openmp_may_have_run or shared
    _state.lost_threads = _state.lost_threads or (shared and _state.forked)


def _default() -> int:
    if _state.default is None:
        _state.default = _find_default()
    return _state.default


def _find_default() -> int:
    chosen = os.environ.get(THREADS_VARIABLE)
    if chosen:
        return _at_least_one(chosen, THREADS_VARIABLE)
    openmp = first_thread_count()
    if openmp is not None:
        return _state.unlimited or openmp
    # Known to every process that uses scikit-learn.
    import joblib

    processors = joblib.cpu_count()
    return min(processors, _state.unlimited) if _state.unlimited else processors


def _at_least_one(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
    return number


def _after_fork() -> None:
    _state.forked = True
    _state.lost_threads = _state.openmp_may_have_run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
