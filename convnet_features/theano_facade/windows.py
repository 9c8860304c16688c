"""Windows of the last axes of a tensor, whose sizes may be known only when they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable

__all__ = ["number", "padded", "sizes_of", "windows"]


def number(value: Any) -> Any:
    """`value` as a Python integer where it is known already; None stays None."""
    if isinstance(value, Constant):
        value = value.data
    if isinstance(value, Variable) or value is None:
        return value
    if np.ndim(value) == 0 and hasattr(np.asarray(value)[()], "__index__"):
        return int(np.asarray(value))
    return value


def sizes_of(x: Variable, n: int) -> list[Any]:
    """The last `n` sizes of `x`: integers where they are known."""
    axes = range(x.ndim - n, x.ndim)
    return [x.shape[axis] if x.type.shape[axis] is None else x.type.shape[axis] for axis in axes]


def padded(x: Any, pads: Sequence[tuple[Any, Any]], value: float = 0) -> Variable:
    """`x` with `value` before and behind its last axes, in its own dtype.

    Parameters
    ----------
    x : variable
    pads : sequence of (before, behind)
        For each of the last axes: numbers of entries, which may be symbolic.
    value : float, default=0

    Returns
    -------
    variable
    """
    x = pt.as_tensor_variable(x)
    if all(isinstance(side, int) and side == 0 for pad in pads for side in pad):
        return x
    sizes = sizes_of(x, len(pads))
    around = [size + sum(pad) for size, pad in zip(sizes, pads, strict=True)]
    shape = [x.shape[axis] for axis in range(x.ndim - len(pads))] + around
    surface = pt.alloc(np.asarray(value, x.dtype), *shape)
    inner = [slice(pad[0], pad[0] + size) for size, pad in zip(sizes, pads, strict=True)]
    return pt.set_subtensor(surface[(..., *inner)], x)


def windows(
    x: Any, counts: Sequence[Any], taps: Sequence[Any], strides: Sequence[Any], apart: Sequence[Any]
) -> Variable:
    """What windows see of the last n axes of `x`.

    y[..., i, j, a, b] = x[..., i·s + a·d, j·t + b·e]

    Parameters
    ----------
    x : variable
        Has whatever the windows see: it is padded already.
    counts : sequence of n int or scalar variables
        How many windows there are along each axis.
    taps : sequence of n int or scalar variables
        How many entries a window has along each axis.
    strides : sequence of n int or scalar variables
        (s, t), from one window to the next.
    apart : sequence of n int or scalar variables
        (d, e), from one entry of a window to the next.

    Returns
    -------
    variable of shape (..., *counts, *taps)
    """
    x = pt.as_tensor_variable(x)
    n = len(counts)
    places = []
    for axis in range(n):
        of_windows = pt.arange(counts[axis]) * strides[axis]
        within = pt.arange(taps[axis]) * apart[axis]
        pattern = ["x"] * (2 * n)
        pattern[axis], pattern[n + axis] = 0, 1  # type: ignore[call-overload]
        grid = of_windows.dimshuffle(0, "x") + within.dimshuffle("x", 0)
        places.append(grid.dimshuffle(*pattern))
    return x[(*[slice(None)] * (x.ndim - n), *places)]
