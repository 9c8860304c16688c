"""Where maps lie, against what their pixels see."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import init, nonlinearities
from lasagne.layers import (
    Conv2DLayer,
    ElemwiseSumLayer,
    InputLayer,
    MaxPool2DLayer,
    NonlinearityLayer,
    PadLayer,
    Pool2DLayer,
    get_output,
)

from convnet_features.inspection.fields import map_extent
from convnet_features.layers import Conv2DLayer as DilatedLayer

SIZE = (17, 23)


def conv(below, filter_size, kind=Conv2DLayer, **options):
    ones = {"W": init.Constant(1.0), "nonlinearity": nonlinearities.identity}
    return kind(below, 1, filter_size, **ones, **options)


def seen(layer, below):
    """The middle of all pixels that each output depends on, whose field is whole."""
    import theano

    function = theano.function([below.input_var], get_output(layer, deterministic=True))
    impulses = np.eye(SIZE[0] * SIZE[1], dtype=np.float32).reshape(-1, 1, *SIZE)
    depends = np.abs(function(impulses)[:, 0]) > 1e-6
    rows, columns = (axis.ravel() for axis in np.indices(SIZE))
    largest = depends.sum(axis=0).max()
    for i, j in np.argwhere(depends.sum(axis=0) == largest):
        field = depends[:, i, j]
        yield (i, j), (rows[field].mean() + 0.5, columns[field].mean() + 0.5)


NETWORKS = {
    "valid": lambda x: conv(x, (3, 5)),
    "same": lambda x: conv(x, (3, 5), pad="same"),
    "same, even": lambda x: conv(x, (4, 2), pad="same"),
    "full": lambda x: conv(x, (3, 2), pad="full"),
    "stride": lambda x: conv(x, 3, stride=(2, 3), pad=1),
    "same, stride": lambda x: conv(x, (3, 4), stride=(2, 1), pad="same"),
    "pooling": lambda x: Pool2DLayer(x, (2, 3), mode="average_inc_pad"),
    "padded pooling": lambda x: Pool2DLayer(x, 3, stride=2, pad=1, mode="average_inc_pad"),
    "dilation": lambda x: conv(x, (3, 2), kind=DilatedLayer, dilation=(2, 3), pad=(1, 0)),
    "two blocks": lambda x: conv(Pool2DLayer(conv(x, 5), 2, mode="average_inc_pad"), 3, pad="same"),
    "rectified": lambda x: NonlinearityLayer(conv(x, 3)),
    "sum": lambda x: ElemwiseSumLayer([conv(x, 3, pad="same"), x]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pixel_of_a_map_lies_in_the_middle_of_what_it_sees(name):
    below = InputLayer((None, 1, *SIZE))
    layer = NETWORKS[name](below)
    left, right, bottom, top = map_extent(layer)
    height, width = layer.output_shape[2:]
    compared = 0
    for (i, j), middle in seen(layer, below):
        expected = (
            top + (bottom - top) * (i + 0.5) / height,
            left + (right - left) * (j + 0.5) / width,
        )
        np.testing.assert_allclose(middle, expected, atol=1e-9)
        compared += 1
    assert compared > 5


def test_the_seed_networks_last_convolution():
    below = InputLayer((None, 1, 28, 28))
    layer = conv(MaxPool2DLayer(conv(below, 5), 2), 5)
    assert map_extent(layer) == (6.0, 22.0, 22.0, 6.0)


def test_what_changes_the_size_in_another_way_covers_the_image():
    below = InputLayer((None, 1, 10, 20))
    for layer in (PadLayer(below, 5), conv(PadLayer(below, 5), 3, pad="same")):
        assert map_extent(layer) == pytest.approx((0, 20, 10, 0))
