"""Normalisations of each sample by itself."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import layers as ll
from lasagne.nonlinearities import rectify

from convnet_features import ConvNetClassifier
from convnet_features.layers import (
    BiasLayer,
    ScaleLayer,
    StandardizationLayer,
    group_norm,
    instance_norm,
    layer_norm,
)

from .checked import assert_computes

#: The input's sizes, the layer's arguments, and the axes of the mean.
AXES = {
    "units": ((5,), {}, (1,)),
    "auto": ((3, 4, 5), {}, (2, 3)),
    "spatial": ((3, 4, 5), {"axes": "spatial"}, (2, 3)),
    "features": ((3, 4, 5), {"axes": "features"}, (1, 2, 3)),
    "one": ((3, 4, 5), {"axes": -1}, (3,)),
    "channels": ((3, 4, 5), {"axes": (1,)}, (1,)),
    "rows": ((3, 4), {"axes": "auto", "epsilon": 0.5}, (2,)),
}


def standardised(x, axes, epsilon=1e-4):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


@pytest.mark.parametrize("name", AXES)
def test_values_and_gradients(name, rng):
    size, params, axes = AXES[name]
    assert_computes(
        lambda incoming: StandardizationLayer(incoming, **params),
        lambda x: standardised(x, axes, params.get("epsilon", 1e-4)),
        [rng.normal(2, 3, size=(2, *size))],
        rng,
    )


@pytest.mark.parametrize("num_groups", [1, 2, 3, 6])
def test_groups(num_groups, rng):
    def expected(x):
        groups = np.split(x, num_groups, axis=1)
        return np.concatenate([standardised(group, (1, 2, 3)) for group in groups], axis=1)

    assert_computes(
        lambda incoming: StandardizationLayer(incoming, "features", num_groups=num_groups),
        expected,
        [rng.normal(size=(2, 6, 4, 5))],
        rng,
    )


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"axes": 0}, r"axes=0: its input has the shape \(None, 6, 4\); axes must be 'auto'"),
        ({"axes": 3}, "or integers from 1 to 2"),
        ({"axes": ()}, "axes must be"),
        ({"axes": "channels"}, "axes='channels'"),
        ({"num_groups": 2}, "num_groups=2 groups of channels are normalised with axes='features'"),
        ({"axes": "features", "num_groups": 4}, "its 6 channels cannot be divided into"),
    ],
)
def test_what_does_not_fit(params, text):
    with pytest.raises(ValueError, match=f"StandardizationLayer: .*{text}"):
        StandardizationLayer((None, 6, 4), **params)


def test_helpers_put_it_between_a_layer_and_its_nonlinearity():
    maps = ll.Conv2DLayer(ll.InputLayer((None, 2, 8, 8)), 6, 3, name="conv")
    last = group_norm(maps, 3)
    chain = ll.get_all_layers(last)[2:]
    assert [layer.name for layer in chain] == [
        "conv_gn",
        "conv_gn_scale",
        "conv_gn_bias",
        "conv_gn_nonlin",
    ]
    assert [type(layer) for layer in chain[:3]] == [StandardizationLayer, ScaleLayer, BiasLayer]
    assert (chain[0].num_groups, chain[3].nonlinearity, maps.b) == (3, rectify, None)
    linear = ll.DenseLayer(ll.InputLayer((None, 7)), 5, nonlinearity=None, name="dense")
    assert layer_norm(linear, epsilon=0.5, name="norm").name == "norm_bias"
    bare = ll.Conv2DLayer(ll.InputLayer((None, 2, 8, 8)), 6, 3, nonlinearity=None)
    assert type(instance_norm(bare, False, False)) is StandardizationLayer


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_trains(engine, rng):
    X, y = rng.normal(size=(12, 2, 7, 6)).astype(np.float32), [0, 1] * 6

    classifier = ConvNetClassifier(
        [
            ("conv", ll.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
            ("norm", StandardizationLayer, {"axes": "features", "num_groups": 2}),
            ("scales", ScaleLayer),
            ("output", ll.DenseLayer),
        ],
        max_epochs=2,
        random_state=0,
        engine=engine,
    ).fit(X, y)
    assert np.isfinite(classifier.predict_proba(X)).all()
