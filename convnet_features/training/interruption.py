"""Ctrl-C as a request that is granted between two batches."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from joblib.memory import NotMemorizedFunc

__all__ = [
    "Interruption",
    "ends_the_whole",
    "interruptible",
    "is_one_of_many",
    "of_one_piece",
]

#: Modules of scikit-learn's and joblib's that pass on one fit, and do not make many of one.
_PASSING_ON = (
    "sklearn.base",
    "sklearn.callback",
    "sklearn.compose._target",
    "sklearn.pipeline",
    "sklearn.utils",
)
#: Modules that fit many estimators, or keep what was fitted.
_GATHERING = ("sklearn", "joblib", "dask_ml", "convnet_features.estimators.cross_fitting")


class Interruption:
    """Whether the user asked to stop; a second request is not waited for."""

    def __init__(self) -> None:
        self.requested = False

    def request(self, signal_number: int, frame: FrameType | None) -> None:
        """Handle SIGINT."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


def is_one_of_many() -> bool:
    """Whether this training is one of those of a search, a cross-validation or an ensemble.

    The user who presses Ctrl-C there means the whole search. A training that was cut
    short would be scored, or kept in a cache, as if it were complete.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        passes_on = _within(module, _PASSING_ON) or (
            module == "joblib.memory" and isinstance(frame.f_locals.get("self"), NotMemorizedFunc)
        )
        if _within(module, _GATHERING) and not passes_on:
            return True
        frame = frame.f_back
    return False


_piece = threading.local()


@contextmanager
def of_one_piece() -> Iterator[None]:
    """Let an interrupt end all trainings within the block, as in a search."""
    before, _piece.whole = getattr(_piece, "whole", False), True
    try:
        yield
    finally:
        _piece.whole = before


def ends_the_whole() -> bool:
    """Whether an interrupt means more than this training."""
    return getattr(_piece, "whole", False) or is_one_of_many()


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take Ctrl-C for the duration, where it would raise KeyboardInterrupt.

    It leaves signals alone in other threads than the main one, where somebody else
    has put a handler in place, and in one training of many.
    """
    interruption = Interruption()
    ours = (
        not ends_the_whole()
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, interruption.request)
    try:
        yield interruption
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
