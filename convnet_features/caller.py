"""The line of the user's own that a warning is about."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["users_level"]

#: What passes a user's call on: this package, those that fit its estimators for the user, threads.
_PASSING_ON = frozenset(
    {
        __name__.partition(".")[0],
        "concurrent",
        "contextlib",
        "joblib",
        "multiprocessing",
        "sklearn",
        "threading",
    }
)


def users_level() -> int:
    """The `stacklevel` at which `warnings.warn`, called where this is, names the user's line.

    Where no frame is the user's, as on a thread of joblib's, it is that of the caller itself.

    Returns
    -------
    int
    """
    level, frame = 1, _frame_of_caller()
    while frame is not None and _package(frame) in _PASSING_ON:
        level, frame = level + 1, frame.f_back
    return 1 if frame is None else level


def _frame_of_caller() -> FrameType | None:
    return sys._getframe(2)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
