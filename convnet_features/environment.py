"""Environment variables as the libraries that we import can read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["first_thread_count", "readable_environment"]

_VARIABLE = "OMP_NUM_THREADS"


def first_thread_count() -> int | None:
    """The number of threads that ``OMP_NUM_THREADS`` asks for, or None where it says nothing valid.

    OpenMP allows a list, one number for each level of nested regions, and ignores
    what is none: so the first number counts, and all must be at least 1.
    """
    numbers = [number.strip() for number in os.environ.get(_VARIABLE, "").split(",")]
    valid = all(number.isascii() and number.isdigit() and int(number) > 0 for number in numbers)
    return int(numbers[0]) if valid else None


@contextmanager
def readable_environment() -> Iterator[None]:
    """While PyTensor is imported, which refuses anything but one number in ``OMP_NUM_THREADS``."""
    found = os.environ.get(_VARIABLE)
    number = first_thread_count()
    if found is None or found == str(number):
        yield
        return
    del os.environ[_VARIABLE]
    if number is not None:
        os.environ[_VARIABLE] = str(number)
    try:
        yield
    finally:
        os.environ[_VARIABLE] = found
