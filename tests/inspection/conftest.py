"""Fitted networks, in every form that the displays take."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.datasets import load_digits_images


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits_images()
    return X[:400], y[:400]


@pytest.fixture(scope="session")
def extractor(digits):
    return ConvNetFeatureExtractor(max_epochs=2, random_state=0).fit(*digits)


@pytest.fixture(scope="session")
def fitted(digits, extractor):
    """By name: a fitted extractor, a classifier inside a Pipeline, and a loaded pickle."""
    X, y = digits
    classifier = make_pipeline(MinMaxScaler(), ConvNetClassifier(max_epochs=2, random_state=0))
    before = make_pipeline(
        ConvNetFeatureExtractor(max_epochs=2, random_state=0), LogisticRegression()
    )
    return {
        "extractor": extractor,
        "classifier in a Pipeline": classifier.fit(X.reshape(len(X), -1), y),
        "Pipeline of features": before.fit(X, y),
        "pickle": pickle.loads(pickle.dumps(extractor)),
    }


@pytest.fixture(params=["extractor", "classifier in a Pipeline", "Pipeline of features", "pickle"])
def estimator(request, fitted):
    return fitted[request.param]


@pytest.fixture
def images(request, digits):
    """X in the form that `estimator` was fitted to."""
    X, _ = digits
    form = request.node.callspec.params.get("estimator", "")
    return np.array(X.reshape(len(X), -1) if "classifier" in form else X)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
