"""What kernels say of themselves: one record for each step that they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["ROUNDS", "KernelStep", "least_seconds"]

#: How often each step is timed; the least time counts.
ROUNDS = 3

Shape = tuple[int, ...]


class KernelStep(NamedTuple):
    """A step of a computation: what runs, and why.

    Nodes have no names here: programs are shared by graphs that differ in names alone.
    `network.explanation` names the layers.

    Attributes
    ----------
    nodes : tuple of int
        Of the graph of stages, those that the step computes.
    step : str
        ``"forward"``, ``"gradient"``, or which gradient.
    kernel : str
    why : str
        Why this kernel, and not those that would have come before it.
    input_shapes : tuple of tuple of int
    output_shape : tuple of int
    layout : str
        How the result lies in memory.
    multiplications : int
        As many as the formula has; Winograd's algorithm needs fewer.
    bytes : int
        Of all arrays that are read and written, copies to other layouts included.
    seconds : float or None
        None unless asked for.
    """

    nodes: tuple[int, ...]
    step: str
    kernel: str
    why: str
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    layout: str
    multiplications: int
    bytes: int
    seconds: float | None = None


def least_seconds(compute: Callable[[], Any]) -> float:
    """The least time of several calls."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        compute()
        found.append(time.perf_counter() - began)
    return min(found)
