"""Networks that are there without being declared."""

from __future__ import annotations

from collections.abc import Sequence

from .spec import LayerSpec

__all__ = ["seed_network"]

#: From this size on, an axis takes two 5-wide filters and two poolings by 2, and keeps a pixel.
SEED_SIZE = 16


def seed_network(input_shape: Sequence[int]) -> list[LayerSpec]:
    """The network of the 2015 tutorial, fitted to the size of the images.

    Two convolutions of 32 filters, each with a max pooling behind it, then a
    dense layer of 256 rectified units between two dropouts of one half, then
    the output. For 28×28 images of one channel and ten classes that is
    160,362 parameters.

    Each axis (height, width) of the images that reach a convolution gets,

    - from 16 pixels on, filters of 5 without padding, and pooling by 2
      (the tutorial's); so does the second convolution of such an image;
    - from 4 pixels on, filters of 3 that keep the size, and pooling by 2;
    - with 2 or 3 pixels, filters of 3 that keep the size, and no pooling;
    - with 1 pixel, filters of 1.

    Parameters
    ----------
    input_shape : (int, int, int)
        (channels, height, width).

    Returns
    -------
    list of LayerSpec
        input, conv2d1, maxpool1, conv2d2, maxpool2, dropout1, dense, dropout2,
        output.

    Examples
    --------
    >>> for spec in seed_network((1, 8, 8))[1:5]:
    ...     print(spec)
    conv2d1: Conv2DLayer(num_filters=32, filter_size=(3, 3), pad=(1, 1))
    maxpool1: MaxPool2DLayer(pool_size=(2, 2))
    conv2d2: Conv2DLayer(num_filters=32, filter_size=(3, 3), pad=(1, 1))
    maxpool2: MaxPool2DLayer(pool_size=(2, 2))
    """
    from lasagne import layers

    rows, columns = (_axis_plan(size) for size in input_shape[1:])
    specs = [LayerSpec("input", layers.InputLayer)]
    for block, (row, column) in enumerate(zip(rows, columns, strict=True), start=1):
        (filter_rows, pad_rows, pool_rows), (filter_columns, pad_columns, pool_columns) = (
            row,
            column,
        )
        convolution = {
            "num_filters": 32,
            "filter_size": (filter_rows, filter_columns),
            "pad": (pad_rows, pad_columns),
        }
        if not (pad_rows or pad_columns):
            del convolution["pad"]
        specs += [
            LayerSpec(f"conv2d{block}", layers.Conv2DLayer, convolution),
            LayerSpec(
                f"maxpool{block}", layers.MaxPool2DLayer, {"pool_size": (pool_rows, pool_columns)}
            ),
        ]
    return [
        *specs,
        LayerSpec("dropout1", layers.DropoutLayer, {"p": 0.5}),
        LayerSpec("dense", layers.DenseLayer, {"num_units": 256}),
        LayerSpec("dropout2", layers.DropoutLayer, {"p": 0.5}),
        LayerSpec("output", layers.DenseLayer),
    ]


def _axis_plan(size: int) -> list[tuple[int, int, int]]:
    """(filter, padding, pooling) of both blocks along an axis of `size` pixels."""
    if size >= SEED_SIZE:
        return [(5, 0, 2), (5, 0, 2)]
    plan = []
    for _ in range(2):
        extent = 3 if size > 1 else 1
        pool = 2 if size >= 4 else 1
        plan.append((extent, extent // 2, pool))
        size //= pool
    return plan
