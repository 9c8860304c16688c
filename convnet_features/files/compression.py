"""How much may be in a compressed file."""

from __future__ import annotations

__all__ = ["largest_contents"]


def largest_contents(n_bytes: int) -> int:
    """The most bytes that may be in a compressed file of `n_bytes` by a stranger.

    Images and labels shrink to a fifteenth at most; a file made to fill the
    memory shrinks to a thousandth. Small files of anything are let through.
    """
    return 64 * n_bytes + 2**24
