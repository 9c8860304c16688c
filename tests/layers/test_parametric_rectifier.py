"""Rectifiers that learn their slope."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from theano import tensor as T

from convnet_features import ConvNetClassifier
from convnet_features.layers import ParametricRectifierLayer

from ..helpers import assert_close, assert_derivative

SLOPES = np.float32([0.25, -0.5, 2.0])


@pytest.mark.parametrize("size", [(), (5,), (4, 5)])
def test_values(size, rng):
    layer = ParametricRectifierLayer((None, 3, *size), alpha=SLOPES)
    X = rng.normal(size=(2, 3, *size)).astype(np.float32)
    x = T.TensorType("float32", [False] * X.ndim)("x")
    y = theano.function([x], layer.get_output_for(x))(X)
    slopes = SLOPES.reshape(3, *[1] * len(size))
    assert_close(y, np.where(X > 0, X, slopes * X), "float32")
    assert layer.output_shape == (None, 3, *size)


def test_gradient(rng):
    layer = ParametricRectifierLayer((None, 3, 4, 5))
    x, slopes = T.dtensor4("x"), T.dvector("alpha")
    layer.alpha = slopes
    loss = T.sum(T.tanh(layer.get_output_for(x)))
    function = theano.function([x, slopes], [loss, *theano.grad(loss, [x, slopes])])
    values = [rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3)]
    assert_derivative(lambda *args: float(function(*args)[0]), values, function(*values)[1:], rng)


def test_slopes_are_learnt_and_not_regularised(rng):
    X, y = rng.normal(size=(12, 2, 7, 6)).astype(np.float32), [0, 1] * 6
    layers = [
        ("conv", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "nonlinearity": None}),
        ("rectifier", ParametricRectifierLayer),
        ("output", ll.DenseLayer),
    ]
    layer = ConvNetClassifier(layers, max_epochs=2).fit(X, y).layers_["rectifier"]
    assert (layer.alpha.get_value() != np.float32(0.25)).all()
    assert layer.get_params(regularizable=True) == []
