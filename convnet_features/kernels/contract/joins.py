"""Shapes of values that are joined number by number, some one for all pixels or channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .specs import StaticShape

__all__ = ["check_joined", "columns", "columns_shape", "joined_shape"]


def columns_shape(shape: Sequence[Any], ndim: int) -> tuple[Any, ...]:
    """A shape with `ndim` axes: rows of (n_samples, n_channels) are one pixel beside images."""
    return (*shape, *[1] * (ndim - len(shape)))


def columns(x: Any, ndim: int) -> Any:
    """An array with as many axes: see `columns_shape`."""
    return x.reshape(columns_shape(x.shape, ndim))


def joined_shape(shapes: Sequence[StaticShape]) -> StaticShape:
    """The shape that all are spread to; sizes may be unknown (None)."""
    ndim = max(map(len, shapes))
    axes = zip(*(columns_shape(shape, ndim) for shape in shapes), strict=True)
    return tuple([_joined_size(sizes) for sizes in axes])


def _joined_size(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size not in (None, 1)]
    if known:
        return known[0]
    return None if None in sizes else 1


def check_joined(what: Any, shapes: Sequence[Sequence[int]]) -> None:
    """Raise ValueError unless `what` can join values of these shapes."""
    whole = joined_shape([tuple(shape) for shape in shapes])
    for shape in shapes:
        n_samples, *sizes = columns_shape(tuple(shape), len(whole))
        fits = all(size in (1, all_) for size, all_ in zip(sizes, whole[1:], strict=True))
        if n_samples != shapes[0][0] or not fits:
            raise ValueError(f"{what} joins arrays of shapes {', '.join(map(str, shapes))}")
