"""Ctrl-C as a request that is granted between two batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interruption", "interruptible"]


class Interruption:
    """Whether the user asked to stop; a second request is not waited for."""

    def __init__(self) -> None:
        self.requested = False

    def request(self, signal_number: int, frame: FrameType | None) -> None:
        """Handle SIGINT."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take Ctrl-C for the duration, where it would raise KeyboardInterrupt.

    Only the main thread gets signals, and a handler that somebody else put in
    place stays: there, nothing is taken.
    """
    interruption = Interruption()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, interruption.request)
    try:
        yield interruption
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
