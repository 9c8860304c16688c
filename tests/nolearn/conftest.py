"""Data and networks of the tests of `convnet_features.nolearn`."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.datasets import load_digits_images


@pytest.fixture(autouse=True)
def _same_weights():
    """Lasagne draws the same initial weights in every run."""
    import lasagne.random

    source = lasagne.random.get_rng()
    lasagne.random.set_rng(np.random.RandomState(2015))
    yield
    lasagne.random.set_rng(source)


@pytest.fixture(scope="session")
def digits():
    """(X, y): 300 digits of 8×8, pixels from 0 to 1."""
    X, y = load_digits_images()
    return X[:300] / np.float32(16), y[:300].astype(np.int32)


@pytest.fixture
def make_net():
    """A function that makes a small network in nolearn's first form."""
    from lasagne.layers import DenseLayer, InputLayer
    from lasagne.nonlinearities import softmax

    from convnet_features.nolearn import NeuralNet

    def make(**params):
        defaults = {
            "layers": [("input", InputLayer), ("hidden", DenseLayer), ("output", DenseLayer)],
            "input_shape": (None, 1, 8, 8),
            "hidden_num_units": 16,
            "output_num_units": 10,
            "output_nonlinearity": softmax,
            "update_learning_rate": 0.01,
            "max_epochs": 3,
        }
        return NeuralNet(**{**defaults, **params})

    return make
