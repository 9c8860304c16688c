"""Values of different sizes merged."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.nonlinearities import sigmoid
from theano import tensor as T

from convnet_features import ConvNetClassifier
from convnet_features.layers import BroadcastMergeLayer

from ..helpers import assert_close, assert_derivative

SIZES = {
    "gates": [(3, 4, 5), (3, 1, 1)],
    "gates first": [(3, 1, 1), (3, 4, 5)],
    "one map": [(3, 4, 5), (1, 4, 5)],
    "both": [(3, 1, 5), (1, 4, 1)],
    "three": [(3, 4, 5), (3, 1, 1), (1, 4, 1)],
    "same": [(3, 4, 5), (3, 4, 5)],
    "units": [(3,), (1,)],
}
FUNCTIONS = {"add": np.add, "maximum": np.maximum, "mul": np.multiply, "sub": np.subtract}


def built(name, function):
    """The layer as a function of its inputs, and arrays for them."""
    incomings = [ll.InputLayer((None, *size)) for size in SIZES[name]]
    layer = BroadcastMergeLayer(incomings, getattr(T, function))
    inputs = [T.TensorType("float64", [False] * (1 + len(size)))() for size in SIZES[name]]
    output = ll.get_output(layer, dict(zip(incomings, inputs, strict=True)))
    return layer, inputs, output


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", SIZES)
def test_values(name, function, rng):
    layer, inputs, output = built(name, function)
    values = [rng.normal(size=(2, *size)) for size in SIZES[name]]
    expected = values[0]
    for value in values[1:]:
        expected = FUNCTIONS[function](expected, value)
    y = theano.function(inputs, output)(*values)
    assert_close(y, expected, "float64")
    assert layer.output_shape == (None, *expected.shape[1:])


@pytest.mark.parametrize("name", SIZES)
def test_gradient(name, rng):
    _, inputs, output = built(name, "mul")
    loss = T.sum(T.tanh(output))
    function = theano.function(inputs, [loss, *theano.grad(loss, inputs)])
    values = [rng.normal(size=(2, *size)) for size in SIZES[name]]
    assert_derivative(lambda *args: float(function(*args)[0]), values, function(*values)[1:], rng)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ([(None, 3, 4), (None, 3)], "they must have as many dimensions. Put a ReshapeLayer"),
        ([(None, 3, 4), (None, 3, 2)], "the sizes must agree, apart from those that are 1"),
    ],
)
def test_shapes_that_do_not_fit(shapes, text):
    with pytest.raises(ValueError, match=text):
        _ = BroadcastMergeLayer(shapes, T.mul).output_shape


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_squeeze_and_excitation_trains(engine, rng):
    X, y = rng.normal(size=(12, 2, 7, 6)).astype(np.float32), [0, 1] * 6
    layers = [
        ("maps", ll.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
        ("pooled", ll.GlobalPoolLayer),
        ("gates", ll.DenseLayer, {"num_units": 4, "nonlinearity": sigmoid}),
        ("columns", ll.DimshuffleLayer, {"pattern": (0, 1, "x", "x")}),
        (
            "excited",
            BroadcastMergeLayer,
            {"incomings": ["maps", "columns"], "merge_function": T.mul},
        ),
        ("output", ll.DenseLayer),
    ]
    classifier = ConvNetClassifier(layers, max_epochs=2, random_state=0, engine=engine).fit(X, y)
    assert np.isfinite(classifier.predict_proba(X)).all()
