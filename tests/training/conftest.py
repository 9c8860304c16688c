"""Small digits, and a network that learns them in a moment."""

from __future__ import annotations

import pytest
from sklearn.datasets import load_digits

from convnet_features import ConvNetClassifier


@pytest.fixture(scope="session")
def digits():
    """240 digits of 8×8 pixels, from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    return X[:240] / 16, y[:240]


@pytest.fixture(scope="session")
def make_net():
    """A function that makes a small classifier, with what a test wants different."""

    def make(**params):
        defaults = {
            "conv2d1_num_filters": 4,
            "conv2d2_num_filters": 4,
            "dense_num_units": 16,
            "max_epochs": 3,
            "random_state": 0,
            "update_learning_rate": 0.05,
        }
        return ConvNetClassifier(**(defaults | params))

    return make


@pytest.fixture(scope="session")
def make_learner(make_net):
    """The same, large enough and trained long enough to learn the digits."""

    def make(**params):
        defaults = {
            "conv2d1_num_filters": 16,
            "conv2d2_num_filters": 16,
            "dense_num_units": 64,
            "dropout1_p": 0.1,
            "dropout2_p": 0.1,
            "max_epochs": 25,
            "update": "adam",
            "update_learning_rate": 0.005,
        }
        return make_net(**(defaults | params))

    return make
