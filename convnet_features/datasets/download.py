"""Fetch a file from the first mirror that has the right one."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from .._version import __version__
from ..exceptions import ConvNetFeaturesError, FileFormatError
from ..files.atomic import atomic_path

__all__ = ["DownloadError", "check_mirrors", "fetch"]

_CHUNK = 2**16
_SECONDS_PER_FILE = 1800.0


class DownloadError(ConvNetFeaturesError):
    """No mirror gave the right file; loaders report the file as not found."""


def fetch(
    mirrors: Sequence[str],
    name: str,
    target: Path,
    check: Callable[[Path, str], object],
    *,
    max_bytes: int,
    timeout: float = 30.0,
    deadline: float = _SECONDS_PER_FILE,
    verbose: int = 0,
) -> None:
    """Download one file, check it, and then move it into place.

    Mirrors are tried in turn, each once: the next mirror is a better retry than
    the same one again.

    Parameters
    ----------
    mirrors : sequence of str
        Addresses of folders, http or https.
    name : str
        The file's name in these folders.
    target : Path
        Where it is to be. Its folder must exist.
    check : callable
        Called with the path of the downloaded file and the address that it came
        from; raises FileFormatError unless it is the right one.
    max_bytes : int
        A download is given up once it is longer than this.
    timeout : float, default=30
        Seconds to wait for a connection, and for each next piece of the file.
    deadline : float, default=1800
        Seconds after which a mirror is given up, however alive it looks.
    verbose : int, default=0
        If true, tell on standard output what is being done.

    Raises
    ------
    DownloadError
        If no mirror had the file; it says for each what went wrong.
    OSError
        If the file cannot be written here.
    """
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{name}"
        tell = _Progress(address, verbose)
        try:
            with atomic_path(target) as temporary:
                with open(temporary, "wb") as file:
                    for chunk in _pieces(address, max_bytes, timeout, deadline):
                        file.write(chunk)
                        tell.received(len(chunk))
                check(temporary, address)
        except (DownloadError, FileFormatError) as fault:
            failures.append(str(fault))
            tell.failed(fault)
        else:
            tell.finished()
            return
    raise DownloadError("\n".join(failures) or "no mirrors were given")


def check_mirrors(mirrors: Sequence[str]) -> tuple[str, ...]:
    """Refuse addresses other than http and https.

    Parameters
    ----------
    mirrors : sequence of str

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If one is not an http or https address; ``file:`` would read this machine.
    TypeError
        If it is a single string, whose letters would be taken for mirrors.
    """
    if isinstance(mirrors, str):
        raise TypeError(f"mirrors={mirrors!r}: pass a list of addresses, [{mirrors!r}].")
    for mirror in mirrors:
        if not mirror.startswith(("https://", "http://")):
            raise ValueError(f"mirrors: {mirror!r} does not start with https:// or http://.")
    return tuple(mirrors)


def _pieces(address: str, max_bytes: int, timeout: float, deadline: float) -> Iterator[bytes]:
    """Yield the body of an answer; everything that can go wrong on the way is a DownloadError."""
    request = urllib.request.Request(
        address, headers={"User-Agent": f"convnet_features/{__version__}"}
    )
    received, end = 0, time.monotonic() + deadline
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            # `read1` returns what has arrived, so that a server which sends a
            # byte at a time cannot hold us in one call past the deadline.
            while chunk := answer.read1(_CHUNK):
                received += len(chunk)
                if received > max_bytes:
                    raise DownloadError(f"{address}: longer than the {max_bytes} bytes expected")
                if time.monotonic() > end:
                    raise DownloadError(f"{address}: not done after {deadline:g} seconds")
                yield chunk
    except urllib.error.HTTPError as fault:
        fault.close()
        raise DownloadError(f"{address}: HTTP {fault.code} {fault.reason}") from fault
    except TimeoutError as fault:
        raise DownloadError(f"{address}: silent for {timeout:g} seconds") from fault
    except (OSError, HTTPException, ValueError) as fault:
        raise DownloadError(f"{address}: {getattr(fault, 'reason', fault)}") from fault


class _Progress:
    """Prints the progress of a download if `verbose`."""

    def __init__(self, address: str, verbose: int) -> None:
        self._verbose = verbose
        self._bytes = 0
        self._start = time.perf_counter()
        self._next_report = self._start + 5.0
        self._tell(f"downloading {address}")

    def received(self, n_bytes: int) -> None:
        self._bytes += n_bytes
        if self._verbose and time.perf_counter() > self._next_report:
            self._next_report += 5.0
            self._tell(f"  {self._bytes / 1e6:.1f} MB so far")

    def finished(self) -> None:
        seconds = time.perf_counter() - self._start
        self._tell(f"  {self._bytes / 1e6:.1f} MB in {seconds:.1f} s, checksum right")

    def failed(self, fault: Exception) -> None:
        self._tell(f"  failed: {fault}")

    def _tell(self, message: str) -> None:
        if self._verbose:
            print(f"[convnet_features] {message}", flush=True)
