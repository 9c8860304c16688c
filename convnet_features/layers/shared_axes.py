"""Axes along which a layer's parameter, or what it draws, is the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

__all__ = ["axes_shared", "own_shape", "spread"]


def axes_shared(who: str, shared_axes: Any, shape: Sequence[int | None]) -> tuple[int, ...]:
    """`shared_axes` of a layer, none negative: 'auto' is all but the second, 'all' is all."""
    n_axes = len(shape)
    named = {"auto": (0, *range(2, n_axes)), "all": tuple(range(n_axes))}
    if isinstance(shared_axes, str) and shared_axes in named:
        return named[shared_axes]
    given = shared_axes if isinstance(shared_axes, list | tuple) else (shared_axes,)
    if any(
        not isinstance(each, int | np.integer) or not -n_axes <= each < n_axes for each in given
    ):
        raise ValueError(
            f"{who}: shared_axes={shared_axes!r}: its input has the shape {tuple(shape)}; axes "
            f"must be 'auto', 'all', or integers from {-n_axes} to {n_axes - 1}."
        )
    return tuple(sorted({int(each) % n_axes for each in given}))


def own_shape(who: str, shape: Sequence[int | None], shared: Collection[int]) -> tuple[int, ...]:
    """The sizes that are not shared along; a ValueError where one is unknown."""
    own = [size for axis, size in enumerate(shape) if axis not in shared]
    if None in own:
        raise ValueError(
            f"{who} needs specified input sizes for all axes that it does not share along; its "
            f"input has the shape {tuple(shape)}, and shared_axes={tuple(shared)}."
        )
    return tuple(int(size) for size in own if size is not None)


def spread(parameter: Any, n_axes: int, shared: Collection[int]) -> Any:
    """`parameter` with axes of size 1 where it is shared."""
    own = iter(range(parameter.ndim))
    return parameter.dimshuffle(*("x" if axis in shared else next(own) for axis in range(n_axes)))
