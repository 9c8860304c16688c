"""``theano.tensor.signal``: pooling, under its names of 2015 and later."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytensor.gradient as pytensor_gradient
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .. import ops
from .scope import within_scope
from .windows import number, padded, sizes_of, windows

__all__ = [
    "DownsampleFactorMax",
    "Pool",
    "max_pool_2d",
    "max_pool_2d_same_size",
    "pool_2d",
    "pool_3d",
]

_MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


@within_scope
def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Variable:
    """Reduce windows of the last two axes, as ``theano.tensor.signal.pool.pool_2d``.

    Parameters
    ----------
    input : tensor of two or more dimensions
        Symbolic images.
    ws, ds : int, (int, int), or a symbolic pair of integers
        The window's rows and columns: one argument, by its new or its old name.
    ignore_border : bool, default=False
        Drop windows that overhang the image at the bottom or the right.
    stride, st : int, (int, int), or a symbolic pair of integers, default=ws
        Rows and columns from one window to the next.
    pad, padding : int, (int, int), or a symbolic pair of integers, default=(0, 0)
        Rows above and below, and columns left and right, outside the image.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
        How to reduce.

    Returns
    -------
    tensor with as many dimensions as `input`

    Notes
    -----
    Numbers that are known when the graph is built go to the kernels. Others are slower.
    """
    step = st if stride is None else stride
    edge = pad if padding is None else padding
    return _pooled("pool_2d", 2, input, ds if ws is None else ws, ignore_border, step, edge, mode)


@within_scope
def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Variable:
    """Reduce windows of the last three axes, as ``theano.tensor.signal.pool.pool_3d``.

    Parameters
    ----------
    input : tensor of three or more dimensions
        Symbolic volumes.
    ws, ignore_border, stride, pad, mode, ds, st, padding
        As for `pool_2d`, with three numbers each.

    Returns
    -------
    tensor with as many dimensions as `input`
    """
    step = st if stride is None else stride
    edge = pad if padding is None else padding
    return _pooled("pool_3d", 3, input, ds if ws is None else ws, ignore_border, step, edge, mode)


def max_pool_2d(
    input: Any,
    ds: Any,
    ignore_border: bool | None = None,
    st: Any = None,
    padding: Any = (0, 0),
    mode: str = "max",
) -> Variable:
    """`pool_2d` by its name of 2015, in ``theano.tensor.signal.downsample``."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


@within_scope
def max_pool_2d_same_size(input: Any, patch_size: Any) -> Variable:
    """`input` with zeros wherever a pixel is not the maximum of its patch."""
    images = pt.as_tensor_variable(input)
    largest = pool_2d(images, patch_size, ignore_border=True)
    return pytensor_gradient.pullback(largest, images, largest)


class Pool:
    """A pooling that is declared first: ``Pool(True, "max")(images, ws, stride, pad)``.

    Parameters
    ----------
    ignore_border, mode
        As for `pool_2d`.
    ndim : {2, 3}, default=2
        Of the axes that are pooled.
    """

    def __init__(self, ignore_border: bool = False, mode: str = "max", ndim: int = 2) -> None:
        self.ignore_border = ignore_border
        self.mode = mode
        self.ndim = ndim

    def __call__(self, x: Any, ws: Any, stride: Any = None, pad: Any = 0) -> Variable:
        """The pooled images."""
        pool = pool_2d if self.ndim == 2 else pool_3d
        return pool(x, ws, self.ignore_border, stride, pad, self.mode)


class DownsampleFactorMax:
    """A pooling that is declared first, as in 2015: ``DownsampleFactorMax((2, 2))(images)``.

    Parameters
    ----------
    ds, ignore_border, st, padding, mode
        As for `max_pool_2d`.
    """

    def __init__(
        self,
        ds: Any,
        ignore_border: bool = False,
        st: Any = None,
        padding: Any = (0, 0),
        mode: str = "max",
    ) -> None:
        self.ds = ds
        self.ignore_border = ignore_border
        self.st = st
        self.padding = padding
        self.mode = mode

    def __call__(self, x: Any) -> Variable:
        """The pooled images."""
        return max_pool_2d(x, self.ds, self.ignore_border, self.st, self.padding, self.mode)


def _pooled(
    who: str, n: int, input: Any, ws: Any, ignore_border: Any, step: Any, edge: Any, mode: str
) -> Variable:
    """Pool the last `n` axes."""
    window = _numbers(who, "ws", ws, n, 1)
    stride = window if step is None else _numbers(who, "stride", step, n, 1)
    pads = _numbers(who, "pad", edge, n, 0)
    if mode not in _MODES:
        raise ValueError(f"{who}: mode must be one of {_MODES}; got {mode!r}.")
    if any(isinstance(pad, Variable) or pad for pad in pads) and not ignore_border:
        raise NotImplementedError(f"{who}: pad={edge} works only with ignore_border=True.")
    is_known = not any(isinstance(each, Variable) for each in (*window, *stride, *pads))
    pool: Callable[..., Variable] = _by_windows
    if is_known:
        pool = {2: _of_images, 3: _of_volumes}[n]
    return _over_last_axes(
        who,
        n,
        pt.as_tensor_variable(input),
        lambda images: pool(images, window, stride, pads, mode, bool(ignore_border)),
    )


def _numbers(who: str, name: str, value: Any, n: int, least: int) -> list[Any]:
    """`n` numbers, each an integer or a scalar variable."""
    how_many = {2: "pair", 3: "triple"}[n]
    if value is None:
        raise TypeError(f"{who}: {name} is missing.")
    value = number(value)
    if isinstance(value, Variable) and value.ndim == 1:
        numbers = [value[axis] for axis in range(n)]
    elif hasattr(value, "__len__"):
        numbers = [number(each) for each in value]
    else:
        numbers = [value] * n
    if len(numbers) != n or not all(map(_is_whole, numbers)):
        raise TypeError(f"{who}: {name} must be an integer or a {how_many} of them; got {value!r}.")
    if any(isinstance(each, int) and each < least for each in numbers):
        raise ValueError(f"{who}: {name} must be at least {least}; got {value!r}.")
    return numbers


def _is_whole(value: Any) -> bool:
    if isinstance(value, Variable):
        return value.ndim == 0 and "int" in value.dtype
    return isinstance(value, int)


def _of_images(
    images: Any, window: Any, stride: Any, pads: Any, mode: Any, ignore_border: bool
) -> Variable:
    return ops.pool2d(
        images,
        window=tuple(window),
        stride=tuple(stride),
        padding=tuple(pads),
        mode=mode,
        ignore_border=ignore_border,
    )


def _of_volumes(
    volumes: Any, window: Any, stride: Any, pads: Any, mode: Any, ignore_border: bool
) -> Variable:
    """The rows and columns of every slice are pooled, and then the slices."""
    n_samples, channels, depth, height, width = sizes_of(volumes, 5)
    images = volumes.reshape((n_samples, channels * depth, height, width), ndim=4)
    images = _of_images(images, window[1:], stride[1:], pads[1:], mode, ignore_border)
    rows, columns = sizes_of(images, 2)
    slices = images.reshape((n_samples, channels, depth, rows * columns), ndim=4)
    first = [window[0], 1], [stride[0], 1], [pads[0], 0]
    pooled = _of_images(slices, *first, mode, ignore_border)
    return pooled.reshape((n_samples, channels, pooled.shape[2], rows, columns), ndim=5)


def _by_windows(
    images: Any, window: Any, stride: Any, pads: Any, mode: str, ignore_border: bool
) -> Variable:
    """Pooling by numbers that are known only when they are computed."""
    n = len(window)
    counts = [
        _count(size + 2 * pad, extent, step, ignore_border)
        for size, pad, extent, step in zip(sizes_of(images, n), pads, window, stride, strict=True)
    ]
    surrounds = [(pad, pad) for pad in pads]
    overhang = [(0, 0 if ignore_border else extent) for extent in window]

    def seen(values: Any, outside: float, behind: float) -> Variable:
        around = padded(padded(values, surrounds, outside), overhang, behind)
        found = windows(around, counts, window, stride, [1] * n)
        shape = [found.shape[axis] for axis in range(images.ndim)]
        return found.reshape((*shape, math.prod(window)), ndim=images.ndim + 1)

    if mode == "max":
        values = seen(images, -math.inf, -math.inf)
        first = pt.shape_padright(pt.argmax(values, axis=-1))
        return pt.take_along_axis(values, first, axis=-1)[..., 0]
    total = seen(images, 0, 0).sum(axis=-1)
    if mode == "sum":
        return total
    ones = pt.ones_like(images[(0,) * (images.ndim - n)])
    ones = ones.dimshuffle(*["x"] * (images.ndim - n), *range(n))
    outside = 1 if mode == "average_inc_pad" else 0
    around = padded(padded(ones, surrounds, outside), overhang, 0)
    counted = windows(around, counts, window, stride, [1] * n)
    return total / counted.sum(axis=[*range(images.ndim, images.ndim + n)])


def _count(size: Any, extent: Any, step: Any, ignore_border: bool) -> Any:
    """How many windows there are along an axis, as `kernels.contract.Pool2DSpec` has it."""
    if ignore_border:
        return pt.maximum(0, (size - extent) // step + 1)
    apart = (size - 1) // step + 1
    overlapping = pt.maximum(0, (size - 1 - extent + step) // step) + 1
    return pt.switch(pt.ge(step, extent), apart, overlapping)


def _over_last_axes(who: str, n: int, images: Any, pool: Callable[[Any], Variable]) -> Variable:
    """`pool`, which takes n + 2 axes, of images with any number of them from n."""
    if images.ndim < n:
        how_many = {2: "two", 3: "three"}[n]
        raise NotImplementedError(f"{who}: needs {how_many} dimensions or more; got {images.ndim}.")
    if images.ndim == n + 2:
        return pool(images)
    if images.ndim < n + 2:
        missing = ["x"] * (n + 2 - images.ndim)
        pooled = pool(images.dimshuffle(*missing, *range(images.ndim)))
        return pooled[(0,) * len(missing)]
    last = [images.shape[axis] for axis in range(images.ndim - n, images.ndim)]
    flat = pool(images.reshape((1, -1, *last), ndim=n + 2))
    shape = [images.shape[axis] for axis in range(images.ndim - n)]
    return flat.reshape((*shape, *(flat.shape[2 + axis] for axis in range(n))), ndim=images.ndim)
