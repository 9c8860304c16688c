"""Bytes that another process may need again, in a folder that nobody but the user writes to."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from .atomic import write_atomically

__all__ = ["PrivateCache"]

DIGEST = hashlib.sha256().digest_size
#: The cache's own files, those of writers that were killed among them.
OWN_NAME = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\..*")
#: Seconds after which a file that is read is noted as young again.
A_DAY = 24 * 60 * 60.0
#: What is left when room is made, so that this is seldom done.
LEFT = 0.75


class PrivateCache:
    """Entries by name in a folder; each may be gone, torn or forged, and is then not found.

    The folder is made when the first entry is kept, for the user alone. One that others may
    write to is not used, nor one that is a link; a warning says so once. Any number of
    processes and threads may use it at once. Where nothing can be written, nothing is kept,
    and nobody is told.

    Parameters
    ----------
    path : Path
        The folder.
    max_bytes : int
        About how much is kept; entries that were not used for longest go.
    variable : str
        The environment variable that names the folder, for the warning.

    Examples
    --------
    >>> import tempfile
    >>> name = "0" * 64
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = PrivateCache(Path(folder) / "entries", 1 << 20, "EXAMPLE_CACHE")
    ...     before = cache.find(name)
    ...     cache.keep(name, b"contents")
    ...     before, cache.find(name)
    (None, b'contents')
    """

    def __init__(self, path: Path, max_bytes: int, variable: str) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.variable = variable
        self._has_warned = False
        #: How much may be written before the folder's size is looked at: first, nothing.
        self._unmeasured = 0

    def find(self, name: str) -> bytes | None:
        """The entry of this name (64 hexadecimal digits), or None."""
        try:
            with self._folder() as folder:
                # A pipe of this name must not be waited for.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                with open(os.open(name, flags, dir_fd=folder), "rb") as file:
                    status = os.fstat(file.fileno())
                    if not stat.S_ISREG(status.st_mode) or _weakness(status):
                        return None
                    if status.st_size > self.max_bytes:
                        return None
                    # As much memory is set aside as is to be read.
                    stored = file.read(status.st_size)
                    _note_use(file.fileno(), status)
        except OSError:
            return None
        digest, contents = stored[:DIGEST], stored[DIGEST:]
        return contents if digest == _digest(name, contents) else None

    def keep(self, name: str, contents: bytes) -> None:
        """Put an entry in the place of the one of this name, or leave it where that fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.path.mkdir(mode=stat.S_IRWXU)
            with self._folder() as folder:
                entry = _digest(name, contents) + contents
                write_atomically(self.path / name, entry, is_cache=True)
                self._unmeasured -= len(entry)
                if self._unmeasured < 0:
                    _make_room(folder, self.max_bytes)
                    self._unmeasured = self.max_bytes // 64
        except OSError:
            # The disk is full, or nothing may be written to it: what is to be kept can be made.
            pass

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """The folder, opened and looked at: what is read by this descriptor is of no other."""
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            if self.path.is_symlink() or self.path.is_file():
                self._refuse("is a link, or no folder")
            raise
        try:
            weakness = _weakness(os.fstat(folder))
            if weakness:
                self._refuse(weakness)
                raise PermissionError(f"{self.path} {weakness}")
            yield folder
        finally:
            os.close(folder)

    def _refuse(self, reason: str) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        warnings.warn(
            f"The cache {str(self.path)!r} is not used: it {reason}. Remove it (it is made anew, "
            f"for this user alone), or name another folder in {self.variable}.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )


def _weakness(status: os.stat_result) -> str:
    """Why somebody else may change a file or folder; empty if nobody may."""
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "may be written to by others"
    return ""


def _digest(name: str, contents: bytes) -> bytes:
    """A checksum of an entry; with its name, so that none stands for another."""
    return hashlib.sha256(name.encode() + contents).digest()


def _note_use(descriptor: int, status: os.stat_result) -> None:
    """Let a file count as young, unless it does."""
    with suppress(OSError):
        if time.time() - status.st_mtime > A_DAY:
            os.utime(descriptor)


def _make_room(folder: int, max_bytes: int) -> None:
    """Remove the oldest of the cache's files where they are more than `max_bytes` together."""
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another process may make room at the same time.
            with suppress(FileNotFoundError):
                if OWN_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files.append((status.st_mtime_ns, status.st_size, entry.name))
    total = sum(size for _, size, _ in files)
    if total <= max_bytes:
        return
    for _, size, name in sorted(files):
        if total <= LEFT * max_bytes:
            break
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        total -= size
