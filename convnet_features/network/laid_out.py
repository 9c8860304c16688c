"""Programs for parameters that kernels lay out once, and not at every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .functions import Program

__all__ = ["LaidOut"]


class LaidOut:
    """Functions of images alone, for parameters that stay as they are.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        All parameters, float32. Nobody may write to it any more.
    values : sequence of ndarray
        Each parameter: views of `theta`, in the order of ``network.params``.
    """

    def __init__(self, theta: np.ndarray, values: Sequence[np.ndarray]) -> None:
        self._theta = theta
        self._values = values
        self._functions: dict[Program, Callable[..., tuple[Any, ...]]] = {}

    def is_for(self, theta: np.ndarray) -> bool:
        """Whether `theta` is the same, bit for bit."""
        return np.array_equal(self._theta.view(np.uint32), theta.view(np.uint32))

    def function(self, program: Program) -> Callable[..., tuple[Any, ...]]:
        """``function(images, *generators)`` of a program, made at the first call."""
        function = self._functions.get(program)
        if function is None:
            function = self._functions[program] = program.frozen(self._values)
        return function
