"""A step of a program that is code of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..binding.library import Library

__all__ = ["Routine"]


class Routine:
    """A compiled function that takes an array of addresses.

    All threads of an OpenMP region call it with the same array, and divide the
    work between them.

    Parameters
    ----------
    library : Library
    description : str
        What it computes and on which shapes, for messages.
    address : int
        Where it begins.
    owner : object
        Whatever keeps it there.
    arguments : sequence of str
        Names of its arguments, one of them ``scratch``.
    fixed : mapping of str to ndarray or int
        Those that are the same at each call; numbers are passed as addresses.
    scratch : int
        Bytes of scratch memory that it needs.
    """

    implementation = "generated"

    def __init__(
        self,
        library: Library,
        description: str,
        address: int,
        owner: object,
        arguments: Sequence[str],
        fixed: Mapping[str, np.ndarray | int],
        scratch: int,
    ) -> None:
        self.library = library
        self.description = description
        self.arguments = tuple(arguments)
        self.scratch = scratch
        self.address = address
        self.function = library.ffi.cast("void (*)(void *)", address)
        self._owner = owner
        self._fixed = fixed

    def __repr__(self) -> str:
        return f"<{self.description}: {self.implementation}>"

    def addresses(self) -> Any:
        """A new array of addresses, the fixed ones filled in."""
        ffi = self.library.ffi
        array = ffi.new("void *[]", len(self.arguments))
        for name, value in self._fixed.items():
            pointer = ffi.from_buffer(value) if isinstance(value, np.ndarray) else value
            array[self.arguments.index(name)] = ffi.cast("void *", pointer)
        return array
