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


@pytest.mark.parametrize("mode", ["max", "average_inc_pad"])
@pytest.mark.parametrize("unknown", [False, True])
def test_pyramid_of_windows_of_one_size(mode, unknown, rng):
    images = rng.normal(size=(2, 3, 7, 11)).astype("float32")
    shape = (None, 3, None, None) if unknown else images.shape
    layer = SpatialPyramidPoolingLayer(shape, [3, 2], mode)
    reduce = np.max if mode == "max" else np.mean
    cells = [
        reduce(
            images[:, :, 7 // n * i : 7 // n * i - -7 // n, 11 // n * j : 11 // n * j - -11 // n],
            axis=(2, 3),
        )
        for n in (3, 2)
        for i in range(n)
        for j in range(n)
    ]
    y = layer.get_output_for(theano.shared(images)).eval()
    assert_close(y, np.stack(cells, axis=2).astype("float64"), "float32")


@pytest.mark.parametrize("mode", ["max", "average_exc_pad"])
@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("size", [(7, 10), (2, 3)])
def test_pyramid_of_stretched_images(mode, unknown, size, rng):
    images = rng.normal(size=(2, 3, *size)).astype("float32")
    shape = (None, 3, *([None, None] if unknown else size))
    layer = SpatialPyramidPoolingLayer(shape, (4, 3, 1), mode, implementation="stretch")
    reduce = np.max if mode == "max" else np.mean
    grids = []
    for n in (4, 3, 1):
        large = np.float64(images).repeat(n, axis=2).repeat(n, axis=3)
        cells = large.reshape(2, 3, n, size[0], n, size[1])
        grids.append(reduce(cells, axis=(3, 5)).reshape(2, 3, -1))
    y = layer.get_output_for(theano.shared(images)).eval()
    assert_close(y, np.concatenate(grids, axis=2), "float32")
    if mode == "max":
        paper = SpatialPyramidPoolingLayer(shape, (4, 3, 1), implementation="kaiming")
        np.testing.assert_array_equal(y, paper.get_output_for(theano.shared(images)).eval())


@pytest.mark.parametrize(
    ("shape", "arguments", "text"),
    [
        ((None, 3, 8), {}, "Expected 4 input dimensions"),
        (
            (None, 3, None, 3),
            {},
            "smaller than the grid of 4x4 cells; use implementation='kaiming'",
        ),
        ((None, 3, 8, 8), {"mode": "min"}, "mode must be 'max', .*; got 'min'"),
        ((None, 3, 8, 8), {"implementation": "slow"}, "implementation must be .*; got 'slow'"),
    ],
)
def test_refusals(shape, arguments, text):
    with pytest.raises(ValueError, match=text):
        SpatialPyramidPoolingLayer(shape, **arguments)
    with pytest.raises(ValueError, match="1D pooling layer with input shape"):
        Pool1DLayer((None, 3, 8, 8), 2)
