"""``theano.tensor.nnet.neighbours``: the windows of images as rows of a matrix."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.raise_op import Assert

from .scope import within_scope
from .windows import number, padded, sizes_of, windows

__all__ = ["images2neibs", "neibs2images"]

_MODES = ("valid", "ignore_borders", "wrap_centered", "half", "full")


@within_scope
def images2neibs(
    ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid"
) -> Variable:
    """Each window of each channel of each image as a row.

    Parameters
    ----------
    ten4 : tensor of shape (n_samples, n_channels, height, width)
    neib_shape : pair of int, or symbolic
        Rows and columns of a window.
    neib_step : pair of int, or symbolic, default=neib_shape
        From one window to the next.
    mode : {'valid', 'ignore_borders', 'wrap_centered', 'half', 'full'}
        'valid' wants windows that cover the image, 'ignore_borders' leaves out what they do
        not cover. Windows are centred on every step-th pixel with 'wrap_centered', where
        they go on at the other side of the image. 'half' and 'full' surround it with zeros.

    Returns
    -------
    matrix of shape (windows of all channels of all images, rows * columns)
    """
    if mode not in _MODES:
        raise NotImplementedError(f"images2neibs: mode must be one of {_MODES}; got {mode!r}.")
    images = pt.as_tensor_variable(ten4)
    if images.ndim != 4:
        raise TypeError(f"images2neibs: the images must have 4 dimensions; got {images.ndim}.")
    taps = _pair("neib_shape", neib_shape)
    steps = taps if neib_step is None else _pair("neib_step", neib_step)
    if mode == "wrap_centered":
        seen = _wrapped(images, taps, steps)
    else:
        if mode in ("half", "full"):
            sides = [tap // 2 if mode == "half" else tap - 1 for tap in taps]
            images = padded(images, [(side, side) for side in sides])
        sizes = sizes_of(images, 2)
        if mode == "valid":
            images = _covered(images, sizes, taps, steps)
        counts = [
            (size - tap) // step + 1 for size, tap, step in zip(sizes, taps, steps, strict=True)
        ]
        seen = windows(images, counts, taps, steps, [1, 1])
    return seen.reshape((-1, taps[0] * taps[1]), ndim=2)


def _covered(images: Variable, sizes: Any, taps: Any, steps: Any) -> Variable:
    covers = [pt.eq((s - tap) % step, 0) for s, tap, step in zip(sizes, taps, steps, strict=True)]
    check = Assert(
        "images2neibs: the windows do not cover the images; mode='ignore_borders' leaves out what "
        "they do not cover."
    )
    return check(images, *covers)


def _wrapped(images: Variable, taps: Any, steps: Any) -> Variable:
    height, width = sizes_of(images, 2)
    sides = [(tap // 2, tap // 2) for tap in taps]
    rows = (pt.arange(height + 2 * sides[0][0]) - sides[0][0]) % height
    columns = (pt.arange(width + 2 * sides[1][0]) - sides[1][0]) % width
    around = images[:, :, rows][:, :, :, columns]
    counts = [(size - 1) // step + 1 for size, step in zip((height, width), steps, strict=True)]
    return windows(around, counts, taps, steps, [1, 1])


@within_scope
def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid") -> Variable:
    """The images that `images2neibs` cut into windows that do not overlap.

    Parameters
    ----------
    neibs : matrix
        What `images2neibs` returns.
    neib_shape : pair of int, or symbolic
    original_shape : sequence of 4 int, or symbolic
    mode : {'valid', 'ignore_borders'}
        With 'ignore_borders', what no window covers is zero.

    Returns
    -------
    tensor of shape `original_shape`
    """
    if mode not in ("valid", "ignore_borders"):
        raise NotImplementedError(
            f"neibs2images: mode must be 'valid' or 'ignore_borders'; got {mode!r}."
        )
    neibs = pt.as_tensor_variable(neibs)
    taps = _pair("neib_shape", neib_shape)
    n_samples, n_channels, height, width = (number(original_shape[axis]) for axis in range(4))
    down, across = height // taps[0], width // taps[1]
    grid = neibs.reshape((n_samples, n_channels, down, across, *taps), ndim=6)
    shape = (n_samples, n_channels, down * taps[0], across * taps[1])
    images = grid.dimshuffle(0, 1, 2, 4, 3, 5).reshape(shape, ndim=4)
    if mode == "valid":
        return images
    return padded(images, [(0, height - shape[2]), (0, width - shape[3])])


def _pair(name: str, value: Any) -> list[Any]:
    value = number(value)
    if hasattr(value, "ndim") and not hasattr(value, "__len__"):
        return [value[0], value[1]]
    if not hasattr(value, "__len__") or len(value) != 2:
        raise TypeError(f"images2neibs: {name} must be a pair of integers; got {value!r}.")
    return [number(each) for each in value]
