"""Networks that are there without being declared."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..first_use import import_for_networks
from ..spec import LayerSpec

__all__ = ["default_network", "seed_network", "small_resnet"]

#: From this size on, an axis takes two 5-wide filters and two poolings by 2, and keeps a pixel.
SEED_SIZE = 16
#: The largest images of one channel, along each axis, that get the seed network: the tutorial's.
TUTORIAL_SIZE = 28
#: Pixels that an axis needs to be pooled; images with a shorter one are taken for rows.
POOLED_SIZE = 4
#: The most pixels that the last pooling leaves of a map: 8×8.
MAP_SIZE = 64
#: Filters of the growing network's blocks; the last number goes on. Rows have 32 everywhere.
WIDTHS = (32, 64, 128)
#: Blocks that it has at least.
MIN_BLOCKS = 2


def default_network(input_shape: Sequence[int]) -> list[LayerSpec]:
    """The network that ``layers=None`` stands for: it grows with the images.

    Up to 28×28 pixels of one channel it is `seed_network`, the tutorial's; of several channels,
    such as colours, up to 15×15. Larger images get

    - two or more blocks of a convolution (filters of 3×3 that keep the size, rectified), max
      pooling by 2, and batch normalisation, until at most 64 pixels (8×8) are left: 32 filters in
      the first block, 64 in the second, 128 in all others;
    - the mean of each map over its quarters: 2×2 numbers;
    - the seed network's end: a dense layer of 256 rectified units between two dropouts of one
      half, then the output.

    Rows of pixels (an axis of less than 4) have places that mean something, as the columns of a
    table have. So they are not averaged: it is `seed_network` as long as that leaves at most 64
    pixels (1×271, say), and blocks of 32 filters from there on. An axis of less than 4 pixels is
    never pooled, and filters have 1 pixel along one of 1.

    For ten classes that makes 160,362 parameters for 1×28×28, 87,946 for 3×28×28, 227,594 for
    3×64×64, and 671,114 for 3×512×512.

    Parameters
    ----------
    input_shape : (int, int, int)
        (channels, height, width).

    Returns
    -------
    list of LayerSpec
        input; conv2d1, maxpool1, batchnorm1; conv2d2, ...; meanpool; dropout1, dense, dropout2,
        output. Small images and rows lack some of them.

    See Also
    --------
    seed_network : The tutorial's, fitted to images of any size.
    small_resnet : A residual network for images of any size.

    Examples
    --------
    >>> for size in (32, 64, 224):
    ...     specs = default_network((3, size, size))
    ...     print(size, *[spec.name for spec in specs if spec.name.startswith("conv")])
    32 conv2d1 conv2d2
    64 conv2d1 conv2d2 conv2d3
    224 conv2d1 conv2d2 conv2d3 conv2d4 conv2d5
    """
    n_channels, *size = input_shape
    is_row = min(size) < POOLED_SIZE
    if is_row:
        suits = math.prod(map(_seed_size, size)) <= MAP_SIZE
    else:
        suits = max(size) <= (TUTORIAL_SIZE if n_channels == 1 else SEED_SIZE - 1)
    return seed_network(input_shape) if suits else _growing_network(tuple(size), is_row)


def _seed_size(size: int) -> int:
    """The pixels that the seed network's second pooling leaves along an axis."""
    for extent, pad, pool in _axis_plan(size):
        size = (size + 2 * pad - extent + 1) // pool
    return size


def _growing_network(size: tuple[int, ...], is_row: bool) -> list[LayerSpec]:
    """Blocks until the maps are small, their means over quarters, and the seed network's end."""
    import_for_networks()
    from lasagne import layers

    specs, block = [LayerSpec("input", layers.InputLayer)], 0
    while math.prod(size) > MAP_SIZE or block < MIN_BLOCKS:
        block += 1
        pools = tuple(2 if axis >= POOLED_SIZE else 1 for axis in size)
        n_filters = WIDTHS[0] if is_row else WIDTHS[min(block, len(WIDTHS)) - 1]
        specs += _block(block, n_filters, tuple(3 if axis > 1 else 1 for axis in size), pools)
        size = tuple(axis // pool for axis, pool in zip(size, pools, strict=True))
    return [*specs, *([] if is_row else [_mean_of_quarters(size)]), *_seed_end()]


def _block(
    number: int, n_filters: int, extents: tuple[int, ...], pools: tuple[int, ...]
) -> list[LayerSpec]:
    """A convolution that keeps the size, max pooling, batch normalisation.

    Behind the pooling the normalisation has a quarter of the work, and the convolution keeps its
    nonlinearity: ``conv2d1_nonlinearity`` means the same in every network.
    """
    from lasagne import layers

    from ...layers import BatchNormLayer

    convolution = {
        "num_filters": n_filters,
        "filter_size": extents,
        "pad": tuple(extent // 2 for extent in extents),
    }
    return [
        LayerSpec(f"conv2d{number}", layers.Conv2DLayer, convolution),
        LayerSpec(f"maxpool{number}", layers.MaxPool2DLayer, {"pool_size": pools}),
        LayerSpec(f"batchnorm{number}", BatchNormLayer),
    ]


def _mean_of_quarters(size: tuple[int, ...]) -> LayerSpec:
    """Two windows along each axis: of 7 pixels, the first 4 and the last 4."""
    from lasagne.layers import Pool2DLayer

    stride = tuple(axis // 2 for axis in size)
    window = tuple(axis - half for axis, half in zip(size, stride, strict=True))
    pooling = {"pool_size": window, "stride": stride, "mode": "average_inc_pad"}
    return LayerSpec("meanpool", Pool2DLayer, pooling)


def _seed_end() -> list[LayerSpec]:
    """From the last maps to the output, as in the tutorial."""
    from lasagne import layers

    return [
        LayerSpec("dropout1", layers.DropoutLayer, {"p": 0.5}),
        LayerSpec("dense", layers.DenseLayer, {"num_units": 256}),
        LayerSpec("dropout2", layers.DropoutLayer, {"p": 0.5}),
        LayerSpec("output", layers.DenseLayer),
    ]


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
    import_for_networks()
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
    return [*specs, *_seed_end()]


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


def small_resnet(widths: Sequence[int] = (16, 32, 64), n_blocks: int = 1) -> list[LayerSpec]:
    """A residual network for small images, with batch normalisation.

    A convolution, then for each width `n_blocks` blocks of two convolutions
    whose result is added to what came in; each width after the first halves
    the image. The mean over what is left of it is the layer ``pool``, then
    comes the output. With the default widths there are 6 · `n_blocks` + 2
    layers of weights.

    Parameters
    ----------
    widths : sequence of int, default=(16, 32, 64)
        Filters of the blocks' convolutions; images need 2 ** (len(widths) - 1)
        pixels along each axis.
    n_blocks : int, default=1
        Blocks of each width.

    Returns
    -------
    list of LayerSpec
        Of every input size. An estimator's features are those of ``pool``.

    References
    ----------
    He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition",
    section 4.2.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.network.presets import small_resnet
    >>> extractor = ConvNetFeatureExtractor(small_resnet())
    >>> [spec.name for spec in extractor.layers][-4:]
    ['block3_sum', 'block3_rectify', 'pool', 'output']
    """
    import_for_networks()
    from lasagne import layers

    specs = [
        LayerSpec("input", layers.InputLayer),
        *_normalised_convolution("conv2d", "input", widths[0], 1),
    ]
    width, block = widths[0], 0
    for stage, new_width in enumerate(widths):
        for repeat in range(n_blocks):
            block += 1
            stride = 2 if stage and not repeat else 1
            specs += _residual_block(f"block{block}", specs[-1].name, width, new_width, stride)
            width = new_width
    return [
        *specs,
        LayerSpec("pool", layers.GlobalPoolLayer),
        LayerSpec("output", layers.DenseLayer),
    ]


def _residual_block(
    name: str, incoming: str, width: int, new_width: int, stride: int
) -> list[LayerSpec]:
    """rectify(shortcut(x) + normalise(conv(rectify(normalise(conv(x))))))."""
    from lasagne import layers, nonlinearities

    first = _normalised_convolution(f"{name}_conv1", incoming, new_width, stride)
    second = _normalised_convolution(f"{name}_conv2", first[-1].name, new_width, 1)[:-1]
    shortcut: list[LayerSpec] = []
    if stride != 1 or width != new_width:
        shortcut = _normalised_convolution(f"{name}_shortcut", incoming, new_width, stride, 1)[:-1]
    ends = [second[-1].name, shortcut[-1].name if shortcut else incoming]
    return [
        *first,
        *second,
        *shortcut,
        LayerSpec(f"{name}_sum", layers.ElemwiseSumLayer, {"incomings": ends}),
        LayerSpec(
            f"{name}_rectify",
            layers.NonlinearityLayer,
            {"nonlinearity": nonlinearities.rectify},
        ),
    ]


def _normalised_convolution(
    name: str, incoming: str, n_filters: int, stride: int, size: int = 3
) -> list[LayerSpec]:
    """A convolution that keeps the size, batch normalisation, rectify."""
    from lasagne import layers, nonlinearities

    from ...layers import BatchNormLayer

    convolution = {
        "incoming": incoming,
        "num_filters": n_filters,
        "filter_size": (size, size),
        "stride": (stride, stride),
        "pad": (size // 2, size // 2),
        "b": None,
        "nonlinearity": nonlinearities.identity,
    }
    return [
        LayerSpec(name, layers.Conv2DLayer, convolution),
        LayerSpec(f"{name}_bn", BatchNormLayer),
        LayerSpec(
            f"{name}_rectify",
            layers.NonlinearityLayer,
            {"nonlinearity": nonlinearities.rectify},
        ),
    ]
