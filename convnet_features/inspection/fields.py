"""Where in the image a layer's maps lie."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["map_extent"]


def map_extent(layer: Any) -> tuple[float, float, float, float]:
    """The (left, right, bottom, top) of a layer's maps, in pixels of the network's images.

    The middle of a map's pixel lies in the middle of what it sees: convolutions
    without padding leave a border that no pixel of theirs has its middle in. Layers
    that change the size in another way than convolutions and poolings do are taken
    to cover the whole image.

    Parameters
    ----------
    layer : lasagne.layers.Layer
        Its output has the shape (n_samples, channels, height, width).

    Returns
    -------
    (float, float, float, float)
        As ``extent`` of :meth:`matplotlib.axes.Axes.imshow` takes it.
    """
    height, width = layer.output_shape[2:]
    (y, down), (x, right) = _along(layer, 0), _along(layer, 1)
    bottom, top = y + down * (height - 0.5), y - down / 2
    return x - right / 2, x + right * (width - 0.5), bottom, top


def _along(layer: Any, axis: int) -> tuple[float, float]:
    """The middle of the first pixel, and the distance to the next, in pixels of the image."""
    below = getattr(layer, "input_layer", None) or getattr(layer, "input_layers", [None])[0]
    if below is None:
        return 0.5, 1.0
    size, size_below = (each.output_shape[2:][axis : axis + 1] for each in (layer, below))
    window = _window(layer, axis)
    if window is not None and _fits(window, size_below, size):
        length, stride, padded = window
        first, distance = _along(below, axis)
        return first + distance * ((length - 1) / 2 - padded), distance * stride
    return _along(below, axis) if window is None and size == size_below else _whole(layer, axis)


def _window(layer: Any, axis: int) -> tuple[int, int, int] | None:
    """(length, stride, pixels added in front) of a convolution's or a pooling's window."""
    sides = getattr(layer, "filter_size", getattr(layer, "pool_size", ()))
    if np.shape(sides) != (2,) or np.shape(getattr(layer, "stride", ())) != (2,):
        return None
    dilation = getattr(layer, "dilation", None) or (1, 1)
    length = dilation[axis] * (sides[axis] - 1) + 1
    pad = getattr(layer, "pad", (0, 0))
    if isinstance(pad, str):
        return length, layer.stride[axis], {"same": length // 2, "full": length - 1}[pad]
    return length, layer.stride[axis], pad[axis]


def _fits(window: tuple[int, int, int], size_below: Any, size: Any) -> bool:
    """Whether a window that moves over one size gives the other, more or less at its end."""
    length, stride, padded = window
    expected = [(below + 2 * padded - length) / stride + 1 for below in size_below]
    return len(expected) == len(size) == 1 and abs(expected[0] - size[0]) <= 1


def _whole(layer: Any, axis: int) -> tuple[float, float]:
    """As if the maps covered the whole image."""
    from lasagne.layers import InputLayer, get_all_layers

    image = next(each for each in get_all_layers(layer) if isinstance(each, InputLayer))
    distance = image.output_shape[2 + axis] / layer.output_shape[2 + axis]
    return distance / 2, distance
