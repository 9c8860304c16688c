"""Scores behind a network as weighted sums of its features, or not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, QuantileTransformer, StandardScaler

from convnet_features.inspection.slopes import score_slopes


class Weighted(BaseEstimator):
    """A regression whose weights are known."""

    def __init__(self, weights, bend=0.0, offset=3.0, dtype=np.float64):
        self.weights = weights
        self.bend = bend
        self.offset = offset
        self.dtype = dtype

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        values = X.astype(self.dtype) @ self.weights.astype(self.dtype) + self.dtype(self.offset)
        return values + self.bend * values**2


def test_more_features_than_are_asked_for_at_a_time(rng):
    weights = rng.normal(size=(2500, 2))
    features = rng.normal(size=(4, 2500))
    values, slopes = score_slopes(make_pipeline(Weighted(weights)), features)
    np.testing.assert_allclose(slopes, weights, atol=1e-12)
    np.testing.assert_allclose(values, features @ weights + 3.0)


@pytest.mark.parametrize("offset", [0.0, 1e5, -1e7])
@pytest.mark.parametrize("other", [1.0, 1e6])
def test_an_offset_hides_no_bend(offset, other, rng):
    """Nor does another number, whose scale is larger."""
    features = rng.normal(size=(60, 4))
    y = np.stack([rng.choice([0.0, 0.5, 1.0], 60) + offset, other * rng.normal(size=60)], axis=1)
    forest = RandomForestRegressor(5, random_state=0).fit(features, y[:, 0])
    assert score_slopes(make_pipeline(forest), features[:5]) is None
    both = MultiOutputRegressor(forest).fit(features, y)
    assert score_slopes(make_pipeline(both), features[:5]) is None
    weights = rng.normal(size=(4, 2))
    values, slopes = score_slopes(make_pipeline(Weighted(weights, offset=offset)), features)
    np.testing.assert_allclose(slopes, weights, atol=1e-8)
    np.testing.assert_allclose(values, features @ weights + offset)


@pytest.mark.parametrize("offset", [0.0, 3e5])
def test_a_weighted_sum_in_float32_is_one(offset, rng):
    features, weights = rng.normal(0, 10, size=(9, 300)), rng.normal(0, 10, size=(300, 3))
    behind = make_pipeline(Weighted(weights, offset=offset, dtype=np.float32))
    _, slopes = score_slopes(behind, features)
    np.testing.assert_allclose(slopes, weights, atol=0.04 if offset else 1e-4)


def test_scalers_count(rng):
    features, y = rng.normal(5, [0.1, 1, 10], size=(50, 3)), rng.normal(size=50)
    behind = make_pipeline(StandardScaler(), MinMaxScaler((-2, 3)), LinearRegression())
    _, slopes = score_slopes(behind.fit(features, y), features[:5])
    plain = LinearRegression().fit(features, y)
    np.testing.assert_allclose(slopes[:, 0], plain.coef_, rtol=1e-6)


@pytest.mark.parametrize("bend", [1e-2, -1e-2])
def test_a_bend_is_seen(bend, rng):
    features = rng.normal(size=(1, 6))
    assert score_slopes(make_pipeline(Weighted(np.ones(6), bend)), features) is None


@pytest.mark.parametrize(
    "steps",
    [
        [PoissonRegressor()],
        [Normalizer(), LinearRegression()],
        [QuantileTransformer(n_quantiles=9), LinearRegression()],
        [KNeighborsClassifier()],
        [StandardScaler()],
    ],
    ids=lambda steps: type(steps[0]).__name__,
)
def test_what_is_no_weighted_sum(steps, rng):
    features = rng.normal(size=(60, 4))
    behind = make_pipeline(*steps).fit(features, rng.integers(0, 3, 60))
    assert score_slopes(behind, features[:3]) is None
