"""How large the numbers of an array are."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.magnitude import are_finite, magnitude

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
