"""The residual preset: its layers, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from convnet_features import ConvNetFeatureExtractor
from convnet_features.network.build import build_network
from convnet_features.network.presets import small_resnet

from lasagne.layers import Conv2DLayer, DenseLayer, ElemwiseSumLayer  # isort: skip


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_layers_of_weights(n_blocks):
    specs = small_resnet(n_blocks=n_blocks)
    main = [
        spec
        for spec in specs
        if spec.layer_class in (Conv2DLayer, DenseLayer) and "shortcut" not in spec.name
    ]
    assert len(main) == 6 * n_blocks + 2
    assert sum(spec.layer_class is ElemwiseSumLayer for spec in specs) == 3 * n_blocks


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 32, 32), (1, 8, 11)])
def test_every_size(size):
    network = build_network(small_resnet((4, 6, 8)), size, 5, "classes", 0)
    halved = tuple(-(-side // 4) for side in size[1:])
    assert network.layers["block3_sum"].output_shape == (None, 8, *halved)
    assert network.layers["pool"].output_shape == (None, 8)


def test_learns_and_transforms():
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    net = ConvNetFeatureExtractor(
        small_resnet((8, 16)),
        feature_layer="pool",
        max_epochs=8,
        update_learning_rate=0.03,
        random_state=0,
    )
    features = net.fit(X, y).transform(X)
    assert features.shape == (400, 16)
    assert np.isfinite(features).all()
    assert net.score(X, y) > 0.9


def test_clones():
    net = ConvNetFeatureExtractor(small_resnet((8, 16)), feature_layer="pool")
    assert clone(net).layers == net.layers
