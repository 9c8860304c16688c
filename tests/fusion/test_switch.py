"""The switch that turns fusing off."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convnet_features import ConvNetClassifier, get_fusion, set_fusion

from ..helpers import assert_close


@pytest.fixture
def plain():
    before = set_fusion(False)
    yield
    set_fusion(before)


def test_set_fusion_returns_what_was_before():
    before = set_fusion(False)
    assert set_fusion(before) is False
    assert get_fusion() is before


def source(estimator):
    return estimator._model.program(("output",)).function.source


def test_a_fitted_estimator_follows_the_switch():
    X, y = load_digits(return_X_y=True)
    estimator = ConvNetClassifier(max_epochs=1, random_state=0).fit(X[:200], y[:200])
    fused = estimator.transform(X)
    assert "Stages" in source(estimator)
    before = set_fusion(False)
    try:
        plain = estimator.transform(X)
        assert "Stages" not in source(estimator)
        assert "Conv2D" in source(estimator)
    finally:
        set_fusion(before)
    assert "Stages" in source(estimator)
    assert_close(plain, fused, np.float32)


def test_training_without_fusing_gives_the_same_network(plain, rng):
    X, y = load_digits(return_X_y=True)
    # No patch is all black: at exactly 0 Lasagne's rectify has slope 1/2, the fused one 0.
    X = X + rng.random(X.shape)
    options = {"max_epochs": 1, "random_state": 0, "dropout1_p": 0.25}
    unfused = ConvNetClassifier(**options).fit(X[:200], y[:200])
    set_fusion(True)
    fused = ConvNetClassifier(**options).fit(X[:200], y[:200])
    np.testing.assert_allclose(unfused._model.theta, fused._model.theta, atol=1e-5)
    np.testing.assert_allclose(unfused.loss_, fused.loss_, rtol=1e-5)
