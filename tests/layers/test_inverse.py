"""Layers run backwards, as the decoders of autoencoders were made."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers as ll
from lasagne.nonlinearities import rectify, tanh

from ..helpers import assert_close, assert_derivative
from ..reference import pool2d


def of_float64(layer, *params):
    """A function of images and parameters in float64, with its gradients."""
    x = T.dtensor4("x")
    output = ll.get_output(layer, x)
    loss = T.sum(output**3)
    return theano.function([x, *params], [output, loss, *theano.grad(loss, [x, *params])])


def test_unpooling_puts_each_value_where_the_maximum_was(rng):
    x = rng.permutation(2 * 3 * 6 * 8).reshape(2, 3, 6, 8) / 10
    incoming = ll.InputLayer((None, 3, 6, 8))
    pooled = ll.MaxPool2DLayer(incoming, 2)
    f = of_float64(ll.InverseLayer(pooled, pooled))
    y, _, gradient = f(x)
    largest = pool2d(x, (2, 2), (2, 2), (0, 0), "max").repeat(2, axis=2).repeat(2, axis=3)
    assert_close(y, np.where(x == largest, x, 0), "float64")
    assert_derivative(lambda each: float(f(each)[1]), [x], [gradient], rng)


@pytest.mark.parametrize("kind", [ll.MaxPool2DLayer, ll.Pool2DLayer])
@pytest.mark.parametrize("nonlinearity", [None, rectify, tanh])
def test_a_decoder_of_inverses_learns(kind, nonlinearity, rng):
    """Gradients of all weights, through the derivatives that the decoder is made of."""
    incoming = ll.InputLayer((None, 2, 8, 8))
    params = T.dtensor4("W"), T.dvector("b"), T.dmatrix("V")
    conv = ll.Conv2DLayer(incoming, 3, 3, W=params[0], b=params[1], nonlinearity=nonlinearity)
    settings = {} if kind is ll.MaxPool2DLayer else {"mode": "average_inc_pad"}
    pooled = kind(conv, 2, **settings)
    code = ll.DenseLayer(pooled, 4, W=params[2], b=None, nonlinearity=tanh)
    net = ll.InverseLayer(code, code)
    net = ll.InverseLayer(net, pooled)
    net = ll.InverseLayer(net, conv)
    assert net.output_shape == (None, 2, 8, 8)
    x = rng.normal(size=(2, 2, 8, 8))
    values = [rng.normal(size=shape) / 2 for shape in ((3, 2, 3, 3), (3,), (27, 4))]
    f = of_float64(net, *params)
    y, _, *gradients = f(x, *values)
    assert y.shape == x.shape
    assert np.abs(gradients[1]).max() > 0
    assert_derivative(lambda *args: float(f(*args)[1]), [x, *values], gradients, rng)
