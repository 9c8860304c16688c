"""The regressor among scikit-learn's tools for regressors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from convnet_features import ConvNetRegressor

from .images import bright_corners, quick

X, Y = bright_corners(90)
NUMBERS = 1e4 + 100.0 * Y


def test_it_is_a_regressor():
    assert is_regressor(ConvNetRegressor())
    assert not is_classifier(ConvNetRegressor())
    assert not hasattr(ConvNetRegressor(), "predict_proba")


def test_whole_numbers_are_numbers_too():
    regressor = quick(ConvNetRegressor, max_epochs=60).fit(X, Y)
    assert regressor.predict(X).dtype.kind == "f"
    assert regressor.score(X, Y) > 0.8
    assert not hasattr(regressor, "classes_")


def test_cross_validation_scores_it():
    scores = cross_val_score(
        quick(ConvNetRegressor, max_epochs=60), X, NUMBERS, cv=3, error_score="raise"
    )
    assert scores.mean() > 0.7


def test_several_numbers_at_once():
    both = np.column_stack([NUMBERS, -Y])
    regressor = quick(ConvNetRegressor, max_epochs=60).fit(X, both)
    assert regressor.predict(X).shape == (90, 2)
    assert regressor.score(X, both) > 0.8


@pytest.mark.parametrize("y", [NUMBERS, NUMBERS[:, None]], ids=["vector", "column"])
def test_predictions_have_the_dimensions_of_y(y):
    assert quick(ConvNetRegressor).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize(
    "ensemble",
    [
        lambda net: VotingRegressor([("net", net), ("ridge", Ridge())]),
        lambda net: StackingRegressor([("net", net), ("ridge", Ridge())], cv=2),
        lambda net: TransformedTargetRegressor(net, func=np.log, inverse_func=np.exp),
    ],
    ids=["voting", "stacking", "transformed"],
)
def test_ensembles_take_it(ensemble):
    model = ensemble(quick(ConvNetRegressor, max_epochs=60)).fit(X, NUMBERS)
    assert model.score(X, NUMBERS) > 0.7


def test_defaults_learn_numbers():
    X, _ = load_digits(return_X_y=True)
    ink = X.sum(axis=1)
    regressor = ConvNetRegressor(random_state=0).fit(X[:1000], ink[:1000])
    assert regressor.score(X[1000:], ink[1000:]) > 0.8
