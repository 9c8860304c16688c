"""How many threads the kernels use: one setting for all of them.

The number for a call is the smallest of

- what `set_num_threads` said, else ``CONVNET_FEATURES_NUM_THREADS``, else
  ``OMP_NUM_THREADS``, else the processors that this process may use (its CPU
  affinity and its container's quota count);
- the limit that ``threadpoolctl`` has set in the calling thread, if any;
- 1 in a forked child of a process whose OpenMP threads may have run: those
  threads do not exist in the child, and waiting for them would never end.

The limits of ``threadpoolctl`` are read from the very OpenMP runtime that
oneDNN runs on, at each call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    if _state.openmp is not None:
        allowed = _state.openmp.omp_get_max_threads()
        if allowed < _state.unlimited:
            return min(wanted, allowed)
    return wanted


@contextmanager
def openmp_threads(number: int) -> Iterator[None]:
    """Let OpenMP regions that this thread starts have `number` threads."""
    before = enter_openmp(number)
    try:
        yield
    finally:
        leave_openmp(before)


def enter_openmp(number: int) -> int:
    """Set OpenMP's number of threads for this thread; returns what `leave_openmp` needs."""
    if number > 1:
        _state.openmp_may_have_run = True
    before = _state.openmp.omp_get_max_threads()
    if before == number:
        return 0
    _state.openmp.omp_set_num_threads(number)
    return before


def leave_openmp(before: int) -> None:
    """Undo `enter_openmp`."""
    if before:
        _state.openmp.omp_set_num_threads(before)


def use_openmp(library: Any) -> None:
    """Ask `library` (an object with ``omp_get_max_threads``) for limits from now on."""
    # A new thread has no limit of its own, whatever threadpoolctl did to this one.
    asker = threading.Thread(target=lambda: answers.append(library.omp_get_max_threads()))
    answers: list[int] = []
    asker.start()
    asker.join()
    _state.unlimited = answers[0]
    _state.default = None
    _state.openmp = library


@contextmanager
def short_waits() -> Iterator[None]:
    """Have an OpenMP runtime that is loaded meanwhile put idle threads to sleep early.

    libgomp's threads wait for each other in a loop that takes up to 16 ms on
    some processors before they sleep. Where other processes want the same
    cores, the one waited for cannot run in the meantime: a training step took
    thirty times as long beside a single busy process (docs/design/performance.md).
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
    openmp = os.environ.get("OMP_NUM_THREADS")
    if openmp:
        # A list gives the numbers of nested levels.
        return _state.unlimited or _at_least_one(openmp.split(",")[0], "OMP_NUM_THREADS")
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
