"""Files that are either there in full, or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..locks import new_lock, wait_at_fork

__all__ = ["atomic_file", "atomic_path", "write_atomically"]

# Two threads that read it at once would leave the first one's behind; so would a fork in between.
_reading_umask = new_lock()
wait_at_fork(_reading_umask)


@contextmanager
def atomic_path(path: str | os.PathLike[str], is_cache: bool = False) -> Iterator[Path]:
    """An empty file beside `path`, which replaces the one at `path` if the block succeeds.

    Its bytes go to the disk, and only then under the final name: whenever the
    process dies, that name stands for the old contents or the new ones. Two
    processes may write the same file at once: each has its own temporary one,
    and the last to finish wins.

    Parameters
    ----------
    path : str or path-like
        In a folder that exists.
    is_cache : bool, default=False
        Of a cache's file: it is the user's alone, and nothing is waited for until it is on the
        disk. If the machine stops, the name may stand for a part: whoever reads it compares a
        checksum.

    Yields
    ------
    Path
        The temporary file, in the same folder.

    Raises
    ------
    OSError
        If the file cannot be written; the error names `path`.
    """
    path = Path(path)
    # In the same folder, because a rename is atomic only within one file system.
    prefix = f".{path.name}."
    try:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            if not is_cache:
                _flush_to_disk(temporary)
                # `tempfile` makes files that are private to the user, and a rename keeps that.
                os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        if not is_cache:
            _sync_folder(path.parent)
    except OSError as error:
        # A full disk is reported without a name, other things with the temporary one.
        name = Path(error.filename or prefix).name
        if error.errno is None or not name.startswith(prefix):
            raise
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error


@contextmanager
def atomic_file(path: str | os.PathLike[str], is_cache: bool = False) -> Iterator[IO[bytes]]:
    """A binary file to write to, which becomes the one at `path` (see `atomic_path`)."""
    with atomic_path(path, is_cache) as temporary, open(temporary, "wb") as file:
        yield file


def write_atomically(path: str | os.PathLike[str], contents: bytes, is_cache: bool = False) -> None:
    """Replace the file at `path` by `contents`, or leave it as it is (see `atomic_path`)."""
    with atomic_file(path, is_cache) as file:
        file.write(contents)


def _flush_to_disk(path: Path) -> None:
    """Make the contents durable before the rename makes them visible."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    with _reading_umask:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure, where folders can be synchronised."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
