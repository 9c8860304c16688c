"""Lasagne's convolution with groups and dilation."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.nonlinearities import identity
from theano import tensor as T

from convnet_features import ConvNetClassifier
from convnet_features.exceptions import NetworkError
from convnet_features.layers import Conv2DLayer

from .. import reference
from ..helpers import assert_close, assert_derivative

# (channels, filters, filter_size, arguments)
LAYERS = {
    "as Lasagne's": (3, 4, 3, {}),
    "correlates": (3, 4, (3, 2), {"flip_filters": False, "pad": (1, 2), "stride": (2, 1)}),
    "groups": (6, 4, 3, {"num_groups": 2, "pad": "same"}),
    "depthwise": (5, 5, 3, {"num_groups": 5, "pad": "same", "stride": 2, "b": None}),
    "an even filter, same": (2, 4, (4, 2), {"num_groups": 2, "pad": "same"}),
    "dilated, same": (2, 3, 3, {"dilation": 2, "pad": "same"}),
    "dilated, full": (2, 3, (2, 3), {"dilation": (2, 3), "pad": "full", "stride": (2, 1)}),
    "everything": (4, 6, 2, {"dilation": (1, 3), "num_groups": 2, "pad": 2, "untie_biases": True}),
}


def built(name, size=(9, 8)):
    channels, num_filters, filter_size, arguments = LAYERS[name]
    return Conv2DLayer(
        ll.InputLayer((None, channels, *size)), num_filters, filter_size, name="conv", **arguments
    )


def padding(layer):
    """By Lasagne's definitions, of the extent of a dilated filter."""
    extents = [(n - 1) * d + 1 for n, d in zip(layer.filter_size, layer.dilation, strict=True)]
    if layer.pad == "full":
        return tuple((n - 1, n - 1) for n in extents)
    if layer.pad == "same":
        return tuple((n // 2, (n - 1) // 2) for n in extents)
    return tuple((n, n) for n in layer.pad)


@pytest.mark.parametrize("name", LAYERS)
def test_equals_loops(name, rng):
    layer = built(name)
    images = rng.normal(size=(2, *layer.input_shape[1:])).astype("float32")
    if layer.b is not None:
        layer.b.set_value(rng.normal(size=layer.b.get_value().shape).astype("float32"))
    expected = reference.conv2d(
        images,
        layer.W.get_value(),
        layer.stride,
        padding(layer),
        layer.flip_filters,
        layer.num_groups,
        layer.dilation,
    )
    if layer.b is not None:
        b = layer.b.get_value()
        expected += b if layer.untie_biases else b[:, None, None]
    x = T.tensor4("x")
    y = theano.function([x], ll.get_output(layer, x))(images)
    assert_close(y, np.maximum(expected, 0), "float32")
    assert layer.output_shape[1:] == y.shape[1:]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad", [0, 1, (1, 2), "same", "full", "valid"])
def test_is_lasagnes_where_it_has_the_arguments(pad, stride, rng):
    x = T.tensor4("x")
    incoming, images = ll.InputLayer((None, 2, 8, 7)), rng.normal(size=(3, 2, 8, 7)).astype("f")
    of_lasagne = ll.Conv2DLayer(incoming, 4, (3, 4), stride, pad)
    ours = Conv2DLayer(incoming, 4, (3, 4), stride, pad, W=of_lasagne.W, b=of_lasagne.b)
    outputs = [ll.get_output(layer, x) for layer in (of_lasagne, ours)]
    expected, y = theano.function([x], outputs)(images)
    assert_close(y, expected, "float32")
    assert ours.output_shape == of_lasagne.output_shape


@pytest.mark.parametrize("name", ["groups", "dilated, full", "everything"])
def test_gradient(name, rng):
    layer = built(name, size=(6, 5))
    layer.nonlinearity = identity
    x, w = T.dtensor4("x"), T.dtensor4("w")
    layer.W = w
    loss = T.sum(T.tanh(ll.get_output(layer, x)))
    function = theano.function([x, w], [loss, *theano.grad(loss, [x, w])])
    values = [rng.normal(size=(2, *layer.input_shape[1:])), rng.normal(size=layer.get_W_shape())]
    _, *gradients = function(*values)
    assert_derivative(lambda *args: float(function(*args)[0]), values, gradients, rng)


@pytest.mark.parametrize(
    ("channels", "filters", "what"), [(5, 4, "5 channels"), (4, 6, "6 filters")]
)
def test_groups_that_do_not_fit(channels, filters, what):
    with pytest.raises(ValueError, match=f"its {what} cannot be divided into num_groups=4 groups"):
        Conv2DLayer(ll.InputLayer((None, channels, 8, 8)), filters, 3, num_groups=4)


@pytest.mark.parametrize(
    ("channels", "arguments", "text"),
    [
        (4, {"num_groups": 0}, "num_groups must be a whole number of at least 1; got 0"),
        (4, {"num_groups": 2.0}, "num_groups must be a whole number of at least 1; got 2.0"),
        (4, {"dilation": (1, 1.5)}, "dilation must be a whole number of at least 1; got 1.5"),
        (4, {"dilation": -1}, "dilation must be a whole number of at least 1; got -1"),
        (None, {}, r"shape \(None, None, 8, 8\); the number of channels must be known"),
    ],
)
def test_arguments_by_hand(channels, arguments, text):
    with pytest.raises(ValueError, match=f"Conv2DLayer: .*{text}"):
        Conv2DLayer(ll.InputLayer((None, channels, 8, 8)), 4, 3, **arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"num_groups": 0},
            r"num_groups=0\): num_groups must be a whole number of at least 1; got 0",
        ),
        (
            {"dilation": (1, 0)},
            r"dilation must be a whole number of at least 1, or one for each direction; got \(1, 0\)",
        ),
        ({"dilation": 9}, "dilation=.9, 9.*; use pad='same', a smaller dilation or filter_size"),
        ({"num_groups": 3}, "its 1 channels cannot be divided into num_groups=3"),
    ],
)
def test_an_estimator_names_the_argument(arguments, text):
    layers = [("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3, **arguments})]
    X, y = np.zeros((8, 1, 8, 8), "float32"), np.arange(8) % 2
    with pytest.raises((NetworkError, ValueError), match=text):
        ConvNetClassifier(layers, max_epochs=1).fit(X, y)


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_trains_fused(engine, rng):
    """A block of MobileNet: depthwise, then pointwise; it tells bright columns from bright rows."""
    y = rng.integers(0, 2, 160)
    X = rng.normal(size=(160, 1, 12, 12)).astype("float32") / 2
    for image, label in zip(X, y, strict=True):
        line = rng.integers(12)
        image[0, slice(None) if label else line, line if label else slice(None)] += 1.5
    layers = [
        ("conv", Conv2DLayer, {"num_filters": 16, "filter_size": 3, "pad": "same"}),
        ("deep", Conv2DLayer, {"num_filters": 16, "filter_size": 3, "num_groups": 16}),
        ("wide", Conv2DLayer, {"num_filters": 16, "filter_size": 1}),
        ("far", Conv2DLayer, {"num_filters": 16, "filter_size": 3, "dilation": 2}),
        ("pool", ll.MaxPool2DLayer, {"pool_size": 2}),
        ("dense", ll.DenseLayer),
    ]
    classifier = ConvNetClassifier(
        layers,
        engine=engine,
        max_epochs=30,
        update="adam",
        update_learning_rate=0.01,
        random_state=0,
    ).fit(X, y)
    assert classifier.score(X, y) > 0.95
    computed = ", ".join(step.layers for step in classifier.explain(4))
    assert all(name in computed for name, *_ in layers)
