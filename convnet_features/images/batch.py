"""Many pictures at once: on threads, with one account of those that cannot be read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from ..caller import users_level
from ..exceptions import BadImagesError, ConvNetFeaturesWarning
from ..kernels.memory import empty
from ..kernels.threads import get_num_threads
from .decoding import Decoder, of_nothing
from .pictures import name_of
from .pillow import pillow

__all__ = ["decode_all", "report"]

#: Pictures that a thread is given at a time, at most.
AT_A_TIME = 16
#: Bad files that a text lists; an error has all of them as `bad`.
LISTED = 20

Bad = list[tuple[int, str, str]]


def decode_all(
    decoder: Decoder,
    sources: Sequence[Any],
    rows: Sequence[int] | np.ndarray,
    n_jobs: int | None,
    on_done: Callable[[], Any] = lambda: None,
) -> tuple[np.ndarray, Bad]:
    """Some of the pictures, and an account of those that cannot be read.

    Parameters
    ----------
    decoder : Decoder
    sources : sequence
    rows : sequence of int
        Which of them.
    n_jobs : int or None
        Threads that decode; None is as many as compute.
    on_done : callable
        Told after each picture.

    Returns
    -------
    pixels : uint8 ndarray of shape (n_rows, channels, height, width)
        Blank where a picture cannot be read.
    bad : list of (row, name, reason)
    """
    pillow()
    pixels = empty((len(rows), *decoder.shape), np.uint8)
    bad: Bad = []

    def decode(place: int) -> tuple[int, str, str] | None:
        row = int(rows[place])
        source = sources[row]
        try:
            pixels[place] = decoder.decode(source)
        except MemoryError as error:  # the machine's fault, and not the picture's
            error.add_note(f"While {name_of(source, row)} was decoded.")
            raise
        except Exception as error:  # of whatever kind: files from strangers bring all of them
            pixels[place] = decoder.blank()
            return row, name_of(source, row), _reason(error, source)
        return None

    n_threads = get_num_threads() if n_jobs is None else effective_n_jobs(n_jobs)
    for found in _in_turn(decode, len(rows), n_threads):
        on_done()
        if found is not None:
            bad.append(found)
    return pixels, bad


def _in_turn(work: Callable[[int], Any], count: int, n_threads: int) -> Iterator[Any]:
    """What comes of 0, 1, …: a few at a time, since handing one to a thread takes a while, too."""
    if min(n_threads, count) < 2:
        yield from map(work, range(count))
        return
    step = max(1, min(AT_A_TIME, count // (4 * n_threads)))
    pieces = (range(start, min(start + step, count)) for start in range(0, count, step))
    with ThreadPoolExecutor(n_threads, thread_name_prefix="convnet_features-images") as threads:
        for done in threads.map(lambda piece: [work(number) for number in piece], pieces):
            yield from done


def _reason(error: Exception, source: Any) -> str:
    if isinstance(error, pillow().UnidentifiedImageError):
        return "no image in a format that is read"
    if isinstance(error, FileNotFoundError) and isinstance(source, str | os.PathLike):
        return of_nothing(source)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ValueError | OSError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def report(name: str, bad: Bad, n_images: int, on_error: str) -> None:
    """One error, or one warning, for all pictures that cannot be read.

    Raises
    ------
    BadImagesError
        If there are any and `on_error` is "raise".
    """
    if not bad:
        return
    lines = [f"  {title}: {reason}" for _, title, reason in bad[:LISTED]]
    if len(bad) > LISTED:
        lines.append(f"  and {len(bad) - LISTED} more")
    listed = "\n".join(lines)
    found = f"{name}: {len(bad)} of {n_images} images cannot be read:\n{listed}\n"
    if on_error == "raise":
        raise BadImagesError(
            f"{found}Leave them out (the error's attribute `bad` lists all of them, as (row, name, "
            "reason)), or set on_error='blank'.",
            bad,
        )
    warnings.warn(f"{found}They are blank.", ConvNetFeaturesWarning, stacklevel=users_level())
