"""`fit_transform` looks at X once, and gives what `fit` and `transform` give one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features import ConvNetFeatureExtractor
from convnet_features.validation import images as checking

from ..images import bright_corners, quick

X, Y = bright_corners()


@pytest.fixture
def visits(monkeypatch):
    """The arrays that scikit-learn was asked to validate."""
    seen = []
    original = checking.validate_data

    def counted(estimator, X, **options):
        seen.append(X)
        return original(estimator, X, **options)

    monkeypatch.setattr(checking, "validate_data", counted)
    return seen


def test_x_is_checked_once(visits):
    quick(ConvNetFeatureExtractor, max_epochs=1).fit_transform(X, Y)
    assert len(visits) == 1


def test_fit_and_transform_check_it_twice(visits):
    quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, Y).transform(X)
    assert len(visits) == 2


def test_every_part_of_a_cross_fit_checks_its_own_rows_once(visits):
    extractor = quick(ConvNetFeatureExtractor, max_epochs=1)
    extractor.fit_transform(X, Y, cross_fit=3)
    assert [len(each) for each in visits] == [60, 40, 40, 40]


def test_samples_of_weight_0_have_features_too():
    weights = np.where(np.arange(60) % 7, 1.0, 0.0)
    extractor = quick(ConvNetFeatureExtractor, max_epochs=1)
    features = extractor.fit_transform(X, Y, sample_weight=weights)
    assert features.shape == (60, 16)
    np.testing.assert_array_equal(features, extractor.transform(X))


def test_a_sample_of_weight_0_that_is_too_large_for_the_scale_is_refused():
    dim, weights = X * np.float64(1e-30), np.ones(60)
    dim[3, 0], weights[3] = 1e35, 0.0
    with pytest.raises(ValueError, match=r"X holds 1e\+35.*product is too large for float32"):
        quick(ConvNetFeatureExtractor, max_epochs=1).fit_transform(dim, Y, sample_weight=weights)


def test_going_on_gives_the_features_of_what_was_fitted_last():
    extractor = quick(ConvNetFeatureExtractor, max_epochs=1, warm_start=True)
    first = extractor.fit_transform(X, Y)
    second = extractor.fit_transform(X[:30], Y[:30])
    assert second.shape == (30, 16)
    np.testing.assert_array_equal(second, extractor.transform(X[:30]))
    assert not np.array_equal(second, first[:30])


class Cropped(ConvNetFeatureExtractor):
    """Trains on some of the rows."""

    def fit(self, X, y=None, **options):
        return super().fit(X[:40], y[:40], **options)


def test_a_subclass_that_fits_to_other_rows_gives_features_of_all_rows():
    extractor = quick(Cropped, max_epochs=1)
    features = extractor.fit_transform(X, Y)
    assert features.shape == (60, 16)
    np.testing.assert_array_equal(features, extractor.transform(X))


class Noting(ConvNetFeatureExtractor):
    """Fits another one on the same X first."""

    def fit(self, X, y=None, **options):
        quick(ConvNetFeatureExtractor, max_epochs=1, input_shape=(1, 4, 9)).fit(X, y)
        return super().fit(X, y, **options)


def test_the_images_of_another_estimators_fit_are_not_taken():
    extractor = quick(Noting, max_epochs=1)
    features = extractor.fit_transform(X, Y)
    np.testing.assert_array_equal(features, extractor.transform(X))
