"""What Lasagne's layers take without a look is looked at before a layer is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.exceptions import NetworkError
from convnet_features.network.arguments import fault
from convnet_features.network.build import build_network
from convnet_features.network.spec import parse_layers
from convnet_features.theano_facade import theano_scope

with theano_scope():
    import theano
    from lasagne.layers import (
        Conv2DLayer,
        DenseLayer,
        DropoutLayer,
        GaussianNoiseLayer,
        Layer,
        MaxPool2DLayer,
    )

ONE = "a whole number of at least 1"
SIZES = f"{ONE}, or one for each direction"
BORDER = "'same', 'full', 'valid', or a whole number of at least 0, or one for each direction"


@pytest.mark.parametrize(
    ("layer", "name", "words", "wrong"),
    [
        (DenseLayer, "num_units", ONE, [0, -3, 64.0, "64", None, True, [8], np.float32(8)]),
        (Conv2DLayer, "num_filters", ONE, [0, 8.0, None]),
        (Conv2DLayer, "filter_size", SIZES, [0, 3.0, (3.0, 3.0), (3, -3), None, "a", ()]),
        (Conv2DLayer, "stride", SIZES, [0, -1, (1, 0), 1.5]),
        (Conv2DLayer, "pad", BORDER, [-1, 1.0, "samee", None, (1, -1)]),
        (Conv2DLayer, "untie_biases", "True or False", ["no", None, 2]),
        (MaxPool2DLayer, "pool_size", SIZES, [0, 2.0, (2, 0)]),
        (MaxPool2DLayer, "stride", SIZES, [0, -1]),
        (MaxPool2DLayer, "ignore_border", "True or False", ["x"]),
        (DropoutLayer, "p", "the share of units", [1.5, 1.0, -0.1, "a", None, True, np.nan]),
        (GaussianNoiseLayer, "sigma", "a standard deviation", [-1, np.nan, np.inf, "a", None]),
        (DenseLayer, "nonlinearity", "a function, such as lasagne.nonlin", ["rectify", 3, True]),
    ],
)
def test_a_value_that_is_none(layer, name, words, wrong):
    needed = {"num_units": 4, "num_filters": 4, "filter_size": 3, "pool_size": 2}
    listed = layer.__init__.__code__.co_varnames
    for value in wrong:
        arguments = {key: each for key, each in needed.items() if key in listed} | {name: value}
        specs = parse_layers([("a", layer, arguments), ("output", DenseLayer)])
        with pytest.raises(NetworkError) as caught:
            build_network(specs, (1, 8, 8), 3, "classes", 0)
        said = str(caught.value)
        assert said.startswith(f"layer 'a' ({layer.__name__}, {name}=")
        assert f": {name} must be {words}" in said
        assert said.endswith(f"; got {value!r}.")


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        (DenseLayer, {"num_units": np.int64(3), "nonlinearity": None}),
        (Conv2DLayer, {"num_filters": 2, "filter_size": [3, 3], "stride": (1, 2), "pad": "same"}),
        (Conv2DLayer, {"pad": (0, 1), "untie_biases": 1}),
        (MaxPool2DLayer, {"pool_size": 2, "stride": None, "ignore_border": np.False_}),
        (DropoutLayer, {"p": 0, "rescale": True}),
        (DropoutLayer, {"p": np.float32(0.5)}),
        (DropoutLayer, {"p": theano.shared(np.float32(0.5))}),
    ],
)
def test_what_may_be(layer, arguments):
    assert fault(layer, arguments) is None


def test_ones_own_layers_mean_what_they_like():
    class Own(Layer):
        """Takes its border by name."""

    assert fault(Own, {"pad": "mirror", "p": 2, "stride": "golden"}) is None
    assert fault(Own, {"num_units": 2.0}) == ("num_units", ONE)
