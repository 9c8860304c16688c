"""Axes along which a layer's parameter, or what it draws, is the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

__all__ = ["axes_shared", "own_shape", "spread"]


def axes_shared(shared_axes: Any, n_axes: int) -> tuple[int, ...]:
    """`shared_axes` of a layer as a tuple: 'auto' is all but the second, 'all' is all."""
    if isinstance(shared_axes, str):
        if shared_axes not in ("auto", "all"):
            raise ValueError(
                f"shared_axes must be 'auto', 'all', or integers; got {shared_axes!r}."
            )
        return tuple(axis for axis in range(n_axes) if axis != 1 or shared_axes == "all")
    return (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes)


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
