"""The comparisons reject wrong answers."""

from __future__ import annotations

import numpy as np
import pytest

from .helpers import assert_close, assert_derivative, frozen, scattered


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_assert_close_accepts_rounding(dtype, rng):
    expected = rng.standard_normal((2, 3))
    assert_close(expected.astype(dtype), expected, dtype)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-4), ("float64", 1e-9)])
def test_assert_close_rejects_one_wrong_entry(dtype, error, rng):
    expected = rng.standard_normal((2, 3))
    actual = expected.astype(dtype)
    actual[1, 2] += error * np.abs(expected).max()
    with pytest.raises(AssertionError, match="off by"):
        assert_close(actual, expected)


def test_assert_close_rejects_other_shapes():
    with pytest.raises(AssertionError, match="shape"):
        assert_close(np.zeros((2, 3)), np.zeros((3, 2)))


def test_assert_close_rejects_other_dtypes():
    with pytest.raises(AssertionError, match="float64, not float32"):
        assert_close(np.zeros(2), np.zeros(2), "float32")


@pytest.mark.parametrize(
    ("actual", "expected"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (-np.inf, np.inf)]
)
def test_assert_close_rejects_misplaced_nans_and_infinities(actual, expected):
    with pytest.raises(AssertionError):
        assert_close(np.array([actual, 2.0]), np.array([expected, 2.0]))


def test_assert_close_rejects_what_should_be_zero():
    with pytest.raises(AssertionError, match="off by"):
        assert_close(np.array([1e-30]), np.zeros(1))


def test_assert_derivative_tells_right_from_wrong(rng):
    x, y = rng.standard_normal(3), rng.standard_normal((2, 3))

    def function(x, y):
        return np.sum(np.sin(x) * y)

    right = [np.cos(x) * y.sum(axis=0), np.broadcast_to(np.sin(x), y.shape)]
    assert_derivative(function, [x, y], right, rng)
    for wrong in ([right[0] * 1.001, right[1]], [right[0], -right[1]], [0 * right[0], right[1]]):
        with pytest.raises(AssertionError, match=r"array \d: .* not"):
            assert_derivative(function, [x, y], wrong, rng)


def test_frozen_and_scattered_keep_values_and_refuse_writing(rng):
    for shape in ((2, 3), (0, 3), (2, 3, 7, 11)):
        array = rng.standard_normal(shape)
        for view in (frozen(array), scattered(array)):
            np.testing.assert_array_equal(view, array)
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0
    assert not scattered(array).flags.forc
