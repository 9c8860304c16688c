"""Networks that are larger than their user may think."""

from __future__ import annotations

import re
import tracemalloc
import warnings

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.network.presets import default_network, seed_network
from convnet_features.network.size import LARGE, warn_if_large


def test_flat_rows_of_300_000_are_warned_of_before_anything_is_built():
    """256 units on 32 maps of 74,997 pixels: 300,000, filtered by 5 and pooled by 2, twice.

    Warnings are errors here, so nothing is built.
    """
    X = np.ones((4, 300_000), np.uint8)
    dense = 32 * 74_997 * 256 + 256
    others = (32 * 5 + 32) + (32 * 32 * 5 + 32) + (256 * 2 + 2)
    message = re.escape(
        f"The network has {dense + others:,} parameters, {dense:,} of them in layer 'dense': "
        f"training takes at least {12 * (dense + others) / 1e9:.1f} GB for them. Its images have "
        "the shape (1, 1, 300000). Give 'dense' fewer units or filters, put more pooling (or a "
        "GlobalPoolLayer) in front of it, make the images smaller, or, where rows of X are "
        "images, say so by input_shape=(channels, height, width)."
    )
    tracemalloc.start()
    try:
        with pytest.raises(ConvNetFeaturesWarning, match=f"^{message}$"):
            ConvNetClassifier(seed_network((1, 1, 300_000)), max_epochs=1).fit(X, [0, 1, 0, 1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_functions_are_warned_of_too():
    from lasagne.layers import DenseLayer

    def wide(images, n_outputs):
        hidden = DenseLayer(images, 3000, name="wide")
        return DenseLayer(hidden, n_outputs)

    X = np.zeros((4, 1, 1, 40_960), np.float32)
    with pytest.raises(ConvNetFeaturesWarning, match=r"^The network has 122,889,002 parameters"):
        ConvNetFeatureExtractor(wide, max_epochs=1).fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize("more", [0, 1])
def test_from_100_million_on(more):
    from lasagne.layers import DenseLayer

    def network(images):
        return DenseLayer(images, LARGE // 10 + more, b=None)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_large(network, (1, 1, 10), None, "numbers")
    assert len(caught) == more


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 512, 512), (1, 1, 300_000)])
def test_the_default_network_is_small(shape):
    warn_if_large(default_network(shape), shape, 10, "classes")
