"""Files that are either there in full, or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "largest_contents"]


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, which replaces it if the block succeeds.

    Whatever interrupts the block, `target` is what it was before. Two processes
    may write the same target at once: each has its own temporary file, and the
    last to finish wins.

    Parameters
    ----------
    target : Path
        The file to be written; its folder must exist.

    Yields
    ------
    Path
        A path in the same folder at which nothing exists yet.

    Raises
    ------
    OSError
        If the file cannot be written; the error names `target`.
    """
    # In the same folder, because a rename is atomic only within one file system.
    # Not `tempfile`: its files are private to the user, and a rename keeps that.
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, target)
    except OSError as fault:
        # A full disk is reported without a name; who reads the error needs one.
        if fault.filename is None and fault.errno is not None:
            raise OSError(fault.errno, os.strerror(fault.errno), str(target)) from fault
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """Make the contents durable before the rename makes them visible."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def largest_contents(n_bytes: int) -> int:
    """The most bytes that may be in a compressed file of `n_bytes` by a stranger.

    Images and labels shrink to a fifteenth at most; a file made to fill the
    memory shrinks to a thousandth. Small files of anything are let through.
    """
    return 64 * n_bytes + 2**24
