"""theano.tensor.nnet.abstract_conv: classes, and the shapes of convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import theano.tensor as T
from theano.tensor.nnet import abstract_conv

from tests import reference
from tests.helpers import assert_close


def test_classes_that_are_declared_first(rng):
    """As later Lasagne's transposed convolution calls them."""
    x, w, gy = T.dtensor4("x"), T.dtensor4("w"), T.dtensor4("gy")
    images, filters = rng.normal(size=(2, 3, 7, 5)), rng.normal(size=(4, 3, 3, 2))
    options = {"border_mode": (1, 1), "subsample": (2, 1), "filter_flip": False}
    padding = ((1, 1), (1, 1))
    y = abstract_conv.AbstractConv2d(None, (4, 3, 3, 2), **options)(x, w)
    whole = y.eval({x: images, w: filters})
    assert_close(whole, reference.conv2d(images, filters, (2, 1), padding, flip=False), "float64")
    weights = rng.normal(size=whole.shape)
    to_images = abstract_conv.AbstractConv2d_gradInputs(
        imshp=(None, 3, 7, 5), kshp=(4, 3, 3, 2), **options
    )(w, gy, (7, 5))
    to_filters = abstract_conv.AbstractConv2d_gradWeights(**options)(x, gy, w.shape[2:])
    to_symbolic = abstract_conv.AbstractConv2d_gradInputs(**options)(w, gy, x.shape[2:])
    product = np.sum(whole * weights)
    given = {w: filters, gy: weights}
    for gradient, values in [
        (to_images.eval(given), images),
        (to_symbolic.eval({x: images} | given), images),
        (to_filters.eval({x: images} | given), filters),
    ]:
        assert gradient.shape == values.shape
        np.testing.assert_allclose(np.sum(gradient * values), product, rtol=1e-12)


def test_classes_of_volumes(rng):
    five = T.TensorType("float64", (False,) * 5)
    x, w, gy = five("x"), five("w"), five("gy")
    volumes, filters = rng.normal(size=(2, 3, 4, 5, 6)), rng.normal(size=(4, 3, 2, 3, 2))
    y = abstract_conv.AbstractConv3d()(x, w).eval({x: volumes, w: filters})
    assert y.shape == (2, 4, 3, 3, 5)
    gradient = abstract_conv.AbstractConv3d_gradInputs()(w, gy, (4, 5, 6))
    np.testing.assert_allclose(
        np.sum(gradient.eval({w: filters, gy: y}) * volumes), np.sum(y * y), rtol=1e-12
    )
    gradient = abstract_conv.AbstractConv3d_gradWeights()(x, gy, (2, 3, 2))
    np.testing.assert_allclose(
        np.sum(gradient.eval({x: volumes, gy: y}) * filters), np.sum(y * y), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("border_mode", "expected"),
    [("valid", (3, 7)), ("half", (5, 9)), ("full", (7, 9)), (1, (4, 9)), ((0, (2, 1)), (3, 10))],
)
def test_shapes_of_results(border_mode, expected):
    shape = abstract_conv.get_conv_output_shape(
        (2, 3, 9, 8), (5, 3, 3, 2), border_mode, (2, 1), (2, 1)
    )
    assert shape == (2, 5, *expected)
    if not isinstance(border_mode, tuple):
        x, w = T.tensor4("x"), T.tensor4("w")
        y = T.nnet.conv2d(x, w, None, None, border_mode, (2, 1), filter_dilation=(2, 1))
        given = {x: np.zeros((2, 3, 9, 8), "float32"), w: np.zeros((5, 3, 3, 2), "float32")}
        assert y.eval(given).shape == shape


def test_shapes_that_are_not_known():
    unknown = abstract_conv.get_conv_output_shape((None, 3, None, 8), (5, 3, 3, 3), "half", (1, 1))
    assert unknown == (None, 5, None, 8)
    assert abstract_conv.get_conv_gradinputs_shape((5, 3, 3, 2), (2, 5, 7, 7), "valid", (1, 1)) == (
        2,
        3,
        9,
        8,
    )
    assert abstract_conv.get_conv_gradinputs_shape((5, 3, 3, 2), (2, 5, 7, 7), "half", (2, 1)) == (
        2,
        3,
        None,
        6,
    )
    assert abstract_conv.get_conv_gradweights_shape(
        (2, 3, 9, 8), (2, 5, 7, 9), ("valid", "full"), (1, 1)
    ) == (5, 3, 3, 2)
    with pytest.raises(ValueError, match=r"border_mode must be >= 0; got -1"):
        abstract_conv.get_conv_shape_1axis(9, 3, -1, 1)
