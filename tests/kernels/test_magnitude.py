"""How large the numbers of an array are."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.magnitude import are_finite, magnitude, root_mean_square

CASES = {
    "floats": (np.float32([1.5, -2.5]), 2.5),
    "nothing": (np.zeros((0, 3), np.float32), 0.0),
    "NaN": (np.float32([1, np.nan, 3]), np.nan),
    "NaN and infinity": (np.float32([np.inf, np.nan, -np.inf]), np.nan),
    "infinity": (np.float32([1, -np.inf]), np.inf),
    "the most negative integer": (np.array([-(2**63), 5]), 2.0**63),
    "booleans": (np.array([False, True]), 1.0),
    "bytes": (np.array([0, 255], np.uint8), 255.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_largest_absolute_value(case):
    array, expected = CASES[case]
    np.testing.assert_equal(magnitude(array), expected)
    if array.dtype.kind == "f":
        assert are_finite(array) == np.isfinite(array).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e15, 1e25])
def test_terms_times_the_root_mean_square_bound_each_sum(axis, scale, rng):
    """Whatever is multiplied by the weights, each number at most 1."""
    w = np.float32(scale) * rng.standard_normal((7, 11, 3, 2)).astype("float32")
    sums = np.abs(w.astype("float64")).sum(axis=tuple({0, 1, 2, 3} - {axis}))
    found = root_mean_square(w, axis)
    terms = w.size // w.shape[axis]
    assert terms * found >= sums.max()
    if scale == 1.0:
        # Much closer than the largest number of all.
        assert found < 0.5 * magnitude(w)
    else:
        assert found <= 1.02 * magnitude(w) + 2.0**-60


def test_the_root_mean_square_of_what_is_not_finite():
    w = np.ones((2, 3), np.float32)
    w[1, 1] = np.nan
    assert np.isnan(root_mean_square(w, 0))
    w[1, 1] = np.inf
    assert root_mean_square(w, 0) == np.inf
    assert root_mean_square(w[:0], 0) == 0
