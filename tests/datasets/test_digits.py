"""The digits that ship with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convnet_features.datasets import load_digits_images


def test_they_are_scikit_learns_in_its_order():
    X, y = load_digits_images()
    flat, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(X.reshape(1797, 64), flat)
    np.testing.assert_array_equal(y, labels)


def test_fewer_classes():
    X, y = load_digits_images(n_class=3)
    assert set(y) == {0, 1, 2}
    assert len(X) == len(y) == 537


def test_bunch():
    digits = load_digits_images(return_X_y=False)
    assert digits.data is digits.images
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.float32
    assert list(digits.target_names) == list(range(10))


@pytest.mark.parametrize("n_class", [0, 11])
def test_number_of_classes(n_class):
    with pytest.raises(ValueError, match=f"n_class={n_class}: there are ten digits; pass a number"):
        load_digits_images(n_class=n_class)
