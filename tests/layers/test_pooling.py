"""Pooling of rows, and spatial pyramids."""

from __future__ import annotations

import numpy as np
import pytest
import theano

from convnet_features.layers import Pool1DLayer, SpatialPyramidPoolingLayer

from .. import reference
from ..helpers import assert_close


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
def test_rows(mode, rng):
    rows = rng.normal(size=(2, 3, 11)).astype("float32")
    layer = Pool1DLayer((None, 3, 11), 3, stride=2, pad=1, mode=mode)
    y = layer.get_output_for(theano.shared(rows)).eval()
    expected = reference.pool2d(rows[..., None], (3, 1), (2, 1), (1, 0), mode)[..., 0]
    assert_close(y, expected, "float32")
    assert layer.output_shape[1:] == y.shape[1:]


@pytest.mark.parametrize("mode", ["max", "average_exc_pad"])
@pytest.mark.parametrize("unknown", [False, True])
def test_pyramid_of_the_paper(mode, unknown, rng):
    images = rng.normal(size=(2, 3, 7, 10)).astype("float32")
    shape = (None, 3, None, None) if unknown else (None, 3, 7, 10)
    layer = SpatialPyramidPoolingLayer(shape, [3, 1], mode, implementation="kaiming")
    reduce = np.max if mode == "max" else np.mean
    cells = [
        reduce(
            images[:, :, 7 * i // n : -(-7 * (i + 1) // n), 10 * j // n : -(-10 * (j + 1) // n)],
            axis=(2, 3),
        )
        for n in (3, 1)
        for i in range(n)
        for j in range(n)
    ]
    y = layer.get_output_for(theano.shared(images)).eval()
    assert_close(y, np.stack(cells, axis=2).astype("float64"), "float32")
    assert layer.output_shape == (None, 3, 10)


def test_both_pyramids_agree_where_the_sizes_divide(rng):
    images = theano.shared(rng.normal(size=(2, 3, 8, 12)).astype("float32"))
    fast, even = (
        SpatialPyramidPoolingLayer((2, 3, 8, 12), implementation=which)
        .get_output_for(images)
        .eval()
        for which in ("fast", "kaiming")
    )
    np.testing.assert_array_equal(fast, even)
    assert fast.shape == (2, 3, 21)


@pytest.mark.parametrize(
    ("shape", "arguments", "text"),
    [
        ((None, 3, 8), {}, "Expected 4 input dimensions"),
        ((None, 3, None, 8), {}, "images of unknown size need implementation='kaiming'"),
        ((None, 3, 8, 8), {"mode": "min"}, "mode must be 'max', .*; got 'min'"),
        ((None, 3, 8, 8), {"implementation": "slow"}, "implementation must be .*; got 'slow'"),
    ],
)
def test_refusals(shape, arguments, text):
    with pytest.raises(ValueError, match=text):
        SpatialPyramidPoolingLayer(shape, **arguments)
    with pytest.raises(ValueError, match="1D pooling layer with input shape"):
        Pool1DLayer((None, 3, 8, 8), 2)
