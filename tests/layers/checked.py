"""Layers as functions of float64 arrays, with their gradients checked."""

from __future__ import annotations

import theano
from lasagne import layers as ll
from theano import tensor as T

from ..helpers import assert_close, assert_derivative


def assert_computes(build, expected, values, rng):
    """`build(incoming)` computes `expected(*values)`, and its gradients are the differences'.

    `build` takes a list of input layers where there are several values.
    """
    incoming = [ll.InputLayer((None, *value.shape[1:])) for value in values]
    layer = build(incoming if len(values) > 1 else incoming[0])
    inputs = [T.TensorType("float64", [False] * value.ndim)() for value in values]
    output = ll.get_output(layer, dict(zip(incoming, inputs, strict=True)))
    loss = T.sum(T.tanh(output))
    function = theano.function(inputs, [output, loss, *theano.grad(loss, inputs)])
    y, _, *gradients = function(*values)
    assert_close(y, expected(*values), "float64")
    assert layer.output_shape == (None, *y.shape[1:])
    assert_derivative(lambda *args: float(function(*args)[1]), values, gradients, rng)
