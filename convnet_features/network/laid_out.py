"""Programs for parameters that kernels lay out once, and not at every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .functions import Program

__all__ = ["LaidOut"]

#: Numbers compared at once: few enough for what NumPy makes of them to stay in the cache.
_BLOCK = 1 << 16


class LaidOut:
    """Functions of images alone, for parameters that stay as they are.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        All parameters, float32. Nobody may write to it any more.
    values : sequence of ndarray
        Each parameter: views of `theta`, in the order of ``network.params``.

    Attributes
    ----------
    known_for : list of int, or None
        The numbers of the parameters' last loans (`Loans.numbers`) at a time when nobody but the
        model could write to them: as long as the numbers stay, so do the parameters.
    """

    known_for: list[int | None] | None = None

    def __init__(self, theta: np.ndarray, values: Sequence[np.ndarray]) -> None:
        self._theta = theta
        self._values = values
        self._functions: dict[Program, Callable[..., tuple[Any, ...]]] = {}

    def is_for(self, theta: np.ndarray) -> bool:
        """Whether `theta` is the same, bit for bit."""
        ours, theirs = self._theta.view(np.uint32), theta.view(np.uint32)
        starts = range(0, ours.size, _BLOCK)
        return ours.size == theirs.size and all(
            np.array_equal(ours[start : start + _BLOCK], theirs[start : start + _BLOCK])
            for start in starts
        )

    def function(self, program: Program) -> Callable[..., tuple[Any, ...]]:
        """``function(images, *generators)`` of a program, made at the first call."""
        function = self._functions.get(program)
        if function is None:
            function = self._functions[program] = program.frozen(self._values)
        return function
