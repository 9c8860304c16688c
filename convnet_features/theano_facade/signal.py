"""``theano.tensor.signal``: pooling, under its names of 2015 and later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .. import ops
from .scope import within_scope

__all__ = ["max_pool_2d", "pool_2d"]

_MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


@within_scope
def pool_2d(
    input: Any,
    ws: Sequence[int] | int | None = None,
    ignore_border: bool | None = None,
    stride: Sequence[int] | int | None = None,
    pad: Sequence[int] | int = (0, 0),
    mode: str = "max",
    ds: Sequence[int] | int | None = None,
    st: Sequence[int] | int | None = None,
    padding: Sequence[int] | int | None = None,
) -> Variable:
    """Reduce windows of the last two axes, as ``theano.tensor.signal.pool.pool_2d``.

    Parameters
    ----------
    input : tensor of two or more dimensions
        Symbolic images.
    ws, ds : int or (int, int)
        The window's rows and columns: one argument, by its new or its old name.
    ignore_border : bool, default=False
        Drop windows that overhang the image at the bottom or the right.
    stride, st : int or (int, int), default=ws
        Rows and columns from one window to the next.
    pad, padding : int or (int, int), default=(0, 0)
        Rows above and below, and columns left and right, outside the image.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
        How to reduce.

    Returns
    -------
    tensor with as many dimensions as `input`
    """
    window = _pair("ws", ds if ws is None else ws)
    step = st if stride is None else stride
    edge = _pair("pad", pad if padding is None else padding)
    if mode not in _MODES:
        raise ValueError(f"pool_2d: mode must be one of {_MODES}; got {mode!r}.")
    if any(edge) and not ignore_border:
        raise NotImplementedError(f"pool_2d: pad={edge} works only with ignore_border=True.")
    return _over_last_two_axes(
        pt.as_tensor_variable(input),
        lambda images: ops.pool2d(
            images,
            window=window,
            stride=window if step is None else _pair("stride", step),
            padding=edge,
            mode=mode,  # type: ignore[arg-type]
            ignore_border=bool(ignore_border),
        ),
    )


def max_pool_2d(
    input: Any,
    ds: Sequence[int] | int,
    ignore_border: bool | None = None,
    st: Sequence[int] | int | None = None,
    padding: Sequence[int] | int = (0, 0),
    mode: str = "max",
) -> Variable:
    """`pool_2d` by its name of 2015, in ``theano.tensor.signal.downsample``."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


def _pair(name: str, value: Any) -> tuple[int, int]:
    if value is None:
        raise TypeError(f"pool_2d: {name} is missing.")
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not all(hasattr(each, "__index__") for each in pair):
        raise TypeError(f"pool_2d: {name} must be an integer or a pair of them; got {value!r}.")
    return int(pair[0]), int(pair[1])


def _over_last_two_axes(images: Any, pool: Any) -> Variable:
    """`pool`, which takes four dimensions, of images with any number of them from two."""
    if images.ndim < 2:
        raise NotImplementedError(f"pool_2d: needs two dimensions or more; got {images.ndim}.")
    if images.ndim == 4:
        return pool(images)
    if images.ndim < 4:
        missing = ["x"] * (4 - images.ndim)
        pooled = pool(images.dimshuffle(*missing, *range(images.ndim)))
        return pooled[(0,) * len(missing)]
    flat = pool(images.reshape((1, -1, images.shape[-2], images.shape[-1]), ndim=4))
    return flat.reshape((*images.shape[:-2], *flat.shape[2:]), ndim=images.ndim)
