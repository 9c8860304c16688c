"""The questions that scripts of 2015 ask before they use a GPU."""

from __future__ import annotations

__all__ = ["dnn_available"]


def dnn_available() -> bool:
    """Whether cuDNN can be used: no."""
    return False
