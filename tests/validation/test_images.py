"""X as images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from convnet_features.validation import (
    automatic_input_scale,
    check_images,
    images,
    infer_input_shape,
)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 3, 7, 11), (3, 7, 11)),
        ((5, 7, 11), (1, 7, 11)),
        ((5, 49), (1, 7, 7)),
        ((5, 50), (1, 1, 50)),
        ((5, 1), (1, 1, 1)),
        ((5, 2), (1, 1, 2)),
    ],
)
def test_the_shape_of_images_follows_from_that_of_x(shape, expected):
    assert infer_input_shape(shape) == expected


@pytest.mark.parametrize("shape", [(5,), (5, 1, 2, 3, 4)])
def test_other_numbers_of_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=f"X has {len(shape)} dimensions; expected 2"):
        infer_input_shape(shape)


@pytest.mark.parametrize(
    ("level", "scale"),
    [
        (0.0, 1),
        (0.25, 1),
        (1.99, 1),
        (2.0, 1 / 4),
        (3.99, 1 / 4),
        (255, 1 / 256),
        (0.2499, 4),
        (0.124, 8),
        (1e-30, 2.0**99),
    ],
)
def test_pixels_are_scaled_by_a_power_of_two_where_that_is_needed(level, scale):
    images = np.full((4, 1, 2, 3), level)
    assert automatic_input_scale(images) == scale
    assert automatic_input_scale(-images) == scale
    if scale != 1:
        assert 0.5 <= level * scale < 1


def test_the_scale_counts_images_as_often_as_they_weigh():
    images = np.concatenate([np.full((1, 1, 2, 2), 100.0), np.full((99, 1, 2, 2), 1.0)])
    assert automatic_input_scale(images) < 1
    assert automatic_input_scale(images, np.r_[1e-9, np.ones(99)]) == 1


def test_the_scale_is_taken_from_a_thousand_images_at_most():
    images = np.ones((2999, 1, 1, 1))
    images[1] = 1e6  # not one of every second
    assert automatic_input_scale(images) == 1


class Estimator(BaseEstimator):
    data_format = "auto"
    n_features_in_ = 3


def arrays():
    images = np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    return {
        "float32": images,
        "float16": images.astype(np.float16),
        "bytes": images.astype(np.uint8),
        "int32": images.astype(np.int32),
        "of columns": np.asfortranarray(images),
    }


@pytest.mark.parametrize("kind", arrays())
def test_nothing_is_to_be_said_of_images_as_fitted(kind, monkeypatch):
    X, estimator = arrays()[kind], Estimator()
    checked, shape = check_images(estimator, X, (3, 5, 7), reset=False)
    assert checked is X
    assert shape == (3, 5, 7)
    # The same by scikit-learn's checks, which take ten times as long.
    monkeypatch.setattr(images, "_are_as_fitted", lambda *args: False)
    slowly, shape = check_images(estimator, X, (3, 5, 7), reset=False)
    np.testing.assert_array_equal(slowly, checked)
    assert (slowly.dtype, shape) == (checked.dtype, (3, 5, 7))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_found_in_images_as_fitted(number):
    X = arrays()["float32"]
    X[1, 2, 3, 4] = number
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        check_images(Estimator(), X, (3, 5, 7), reset=False)


def test_what_may_be_meant_otherwise_is_looked_at_closely():
    cubes = np.zeros((2, 3, 3, 3), np.float32)
    with pytest.raises(ValueError, match="set data_format="):
        check_images(Estimator(), cubes, (3, 3, 3), reset=False)
    last = Estimator()
    last.data_format = "channels_last"
    with pytest.raises(ValueError, match="X has images of 7x3x5"):
        check_images(last, arrays()["float32"], (3, 5, 7), reset=False)
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        check_images(Estimator(), arrays()["float32"][:0], (3, 5, 7), reset=False)
    named = Estimator()
    named.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        check_images(named, arrays()["float32"], (3, 5, 7), reset=False)
    masked = np.ma.masked_greater(arrays()["float32"], 5)
    with pytest.raises(ValueError, match="masked array"):
        check_images(Estimator(), masked, (3, 5, 7), reset=False)
    wide = arrays()["float32"].astype(np.float64) * 1e300
    with pytest.raises(ValueError, match="too large for float32"):
        check_images(Estimator(), wide, (3, 5, 7), reset=False)
