"""Expressions and backward passes as layers."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.nonlinearities import identity

from convnet_features.layers import ExpressionLayer, InverseLayer

FUNCTIONS = {
    "squares": (lambda x: x**2, (2, 3, 4, 5)),
    "means": (lambda x: x.mean(-1), (2, 3, 4)),
    "sum": (lambda x: x.sum(), ()),
}


@pytest.mark.parametrize("given", ["tuple", "callable", "auto"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_shapes(name, given, rng):
    function, shape = FUNCTIONS[name]
    output_shape = {"tuple": shape, "callable": lambda _: shape, "auto": "auto"}[given]
    values = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = ExpressionLayer(ll.InputLayer(values.shape), function, output_shape)
    assert layer.output_shape == shape
    y = ll.get_output(layer, theano.shared(values)).eval()
    np.testing.assert_allclose(y, function(values), rtol=1e-5)


def test_shapes_by_themselves():
    assert ExpressionLayer((None, 3), lambda x: -x).output_shape == (None, 3)
    layer = ExpressionLayer((None, 3, None), lambda x: x.sum(axis=1), output_shape="auto")
    assert layer.output_shape == (None, None)


def test_inverse_of_a_dense_layer(rng):
    input = ll.InputLayer((4, 6))
    dense = ll.DenseLayer(input, 3, nonlinearity=identity)
    inverse = InverseLayer(dense, dense)
    assert inverse.output_shape == (4, 6)
    values, W = rng.normal(size=(4, 6)).astype("float32"), dense.W.get_value()
    y = ll.get_output(inverse, theano.shared(values)).eval()
    np.testing.assert_allclose(y, values @ W @ W.T, rtol=1e-4, atol=1e-5)


def test_inverse_of_a_pooling_puts_maxima_where_they_were(rng):
    pool = ll.MaxPool2DLayer(ll.InputLayer((2, 1, 4, 6)), 2)
    values = rng.normal(size=(2, 1, 4, 6)).astype("float32")
    y = ll.get_output(InverseLayer(pool, pool), theano.shared(values)).eval()
    windows = values.reshape(2, 1, 2, 2, 3, 2)
    largest = windows.max((3, 5), keepdims=True)
    np.testing.assert_array_equal(
        y.reshape(windows.shape), np.where(windows == largest, largest, 0)
    )


def test_inverse_of_a_convolution_is_the_transposed_one(rng):
    from convnet_features.layers import TransposedConv2DLayer

    conv = ll.Conv2DLayer(ll.InputLayer((2, 3, 7, 7)), 4, 3, stride=2, nonlinearity=identity)
    values = rng.normal(size=(2, 3, 7, 7)).astype("float32")
    y = ll.get_output(InverseLayer(conv, conv), theano.shared(values)).eval()
    back = TransposedConv2DLayer(conv, 3, 3, stride=2, W=conv.W, b=None, nonlinearity=identity)
    expected = ll.get_output(back, theano.shared(values)).eval()
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
