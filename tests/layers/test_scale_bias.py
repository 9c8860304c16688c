"""Scales and biases alone."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.init import Constant, Normal
from theano import tensor as T

from convnet_features import ConvNetClassifier
from convnet_features.layers import BiasLayer, ScaleLayer, standardize

from ..helpers import assert_close, assert_derivative

#: The input's sizes, the shared axes, and the shape of what is spread over the input.
SHAPES = {
    "units": ((5,), "auto", (1, 5)),
    "rows": ((3, 4), "auto", (1, 3, 1)),
    "channels": ((3, 4, 5), "auto", (1, 3, 1, 1)),
    "pixels": ((3, 4, 5), (0, 1), (1, 1, 4, 5)),
    "columns": ((3, 4, 5), (0, 1, -2), (1, 1, 1, 5)),
    "everything": ((3, 4, 5), 0, (1, 3, 4, 5)),
    "one": ((3, 4, 5), (0, 1, 2, 3), (1, 1, 1, 1)),
    "volumes": ((3, 2, 4, 5), "auto", (1, 3, 1, 1, 1)),
}
LAYERS = {"scales": (ScaleLayer, np.multiply), "b": (BiasLayer, np.add)}


@pytest.mark.parametrize("parameter", LAYERS)
@pytest.mark.parametrize("name", SHAPES)
def test_values_and_gradients(name, parameter, rng):
    size, axes, spread = SHAPES[name]
    layer_class, function = LAYERS[parameter]
    layer = layer_class((None, *size), shared_axes=axes)
    values = rng.normal(size=(2, *size)), rng.normal(size=spread)
    own = values[1].reshape(getattr(layer, parameter).get_value().shape)
    x, p = (T.TensorType("float64", [False] * each.ndim)() for each in (values[0], own))
    setattr(layer, parameter, p)
    output = layer.get_output_for(x)
    loss = T.sum(T.tanh(output))
    compiled = theano.function([x, p], [output, loss, *theano.grad(loss, [x, p])])
    y, _, *gradients = compiled(values[0], own)
    assert_close(y, function(*values), "float64")
    assert layer.output_shape == (None, *size)
    assert_derivative(lambda *args: float(compiled(*args)[1]), [values[0], own], gradients, rng)


def test_begins_with_nothing_done():
    (scales,), (bias,) = (kind((None, 3, 4)).get_params() for kind in (ScaleLayer, BiasLayer))
    assert scales.get_value().tolist() == [1, 1, 1]
    assert bias.get_value().tolist() == [0, 0, 0]
    x = T.dtensor3()
    layer = BiasLayer((None, 3, 4), b=None)
    assert layer.get_output_for(x) is x
    assert layer.get_params() == []


@pytest.mark.parametrize("layer_class", [ScaleLayer, BiasLayer])
@pytest.mark.parametrize(
    ("shape", "axes", "text"),
    [
        (
            (None, None, 4),
            "auto",
            r" needs .* the shape \(None, None, 4\), and shared_axes=\(0, 2\)",
        ),
        ((None, 3, 4), 3, r": shared_axes=3: its input has the shape \(None, 3, 4\); axes must be"),
        ((None, 3, 4), "spatial", ": .* axes must be 'auto', 'all', or integers from -3 to 2"),
        ((None, 3, 4), 1, r" needs specified input sizes for all axes .* and shared_axes=\(1,\)"),
    ],
)
def test_shapes_that_do_not_fit(layer_class, shape, axes, text):
    with pytest.raises(ValueError, match=f"{layer_class.__name__}{text}"):
        layer_class(shape, shared_axes=axes)


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_they_are_learnt_and_not_regularised(engine, rng):
    X, y = rng.normal(size=(12, 2, 7, 6)).astype(np.float32), [0, 1] * 6
    layers = [
        ("conv", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "W": Normal(0.5)}),
        ("scaled", ScaleLayer, {"scales": Constant(2)}),
        ("moved", BiasLayer),
        ("output", ll.DenseLayer),
    ]
    built = ConvNetClassifier(layers, max_epochs=2, engine=engine, random_state=0).fit(X, y)
    for name, before in (("scaled", 2), ("moved", 0)):
        (parameter,) = built.layers_[name].get_params()
        assert (parameter.get_value() != before).any()
        assert built.layers_[name].get_params(regularizable=True) == []


@pytest.mark.parametrize("shared", [False, True])
def test_standardize(shared, rng):
    x = rng.normal(3, 5, size=(50, 3, 4, 5)).astype("float32")
    mean, std = x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))
    offset, scale = (theano.shared(each) for each in (mean, std)) if shared else (mean, std)
    layer = standardize(ll.InputLayer((None, 3, 4, 5)), offset, scale)
    y = ll.get_output(layer, theano.shared(x)).eval()
    expected = (np.float64(x) - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert len(ll.get_all_params(layer)) == 2
    assert ll.get_all_params(layer, trainable=True) == []
    pixels = standardize((None, 3, 4, 5), x.mean(axis=0), x.std(axis=0), shared_axes=0)
    assert pixels.scales.get_value().shape == (3, 4, 5)
