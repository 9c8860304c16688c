"""y as a network's target."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.validation import encode_targets

TARGETS = {
    "integers": ([3, 1, 3], "classes", [1, 0, 1]),
    "strings": (["b", "a", "b"], "classes", [1, 0, 1]),
    "booleans": ([True, False, True], "classes", [1, 0, 1]),
    "a column": ([[3], [1], [3]], "classes", [1, 0, 1]),
    "floats": ([3.0, 1.0, 2.0], "numbers", None),
    "columns of floats": ([[3.0, 0.5], [1.0, 0.1], [2.0, 0.3]], "numbers", None),
    "a matrix of 0 and 1": ([[1, 0], [1, 1], [0, 0]], "labels", [[1, 0], [1, 1], [0, 0]]),
    "one of booleans": ([[True, False], [True, True]], "labels", [[1, 0], [1, 1]]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("case", TARGETS)
def test_what_is_learnt_follows_from_y(case):
    y, kind, values = TARGETS[case]
    targets = encode_targets("Net", y, "auto", len(y))
    assert targets.kind == kind
    assert targets.values.dtype == (np.int32 if kind == "classes" else np.float32)
    if values is not None:
        np.testing.assert_array_equal(targets.values, values)


def test_numbers_are_standardised_and_come_back():
    y = np.array([[10.0, -1.0], [20.0, -1.0], [60.0, -1.0]])
    targets = encode_targets("Net", y, "auto", 3)
    np.testing.assert_allclose(targets.values.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(targets.values.std(axis=0), [1, 0], atol=1e-6)
    np.testing.assert_allclose(targets.predictions(targets.values), y, rtol=1e-6)


def test_an_encoding_is_followed():
    known = encode_targets("Net", ["a", "b", "c"], "classes", 3)
    np.testing.assert_array_equal(
        encode_targets("Net", ["c", "c"], "classes", 2, like=known).values, [2, 2]
    )
    with pytest.raises(ValueError, match=r"not among the known ones: \['d'\]; known are \['a'"):
        encode_targets("Net", ["d", "a"], "classes", 2, like=known)
    pairs = encode_targets("Net", [[0.1, 0.2], [0.3, 0.5]], "auto", 2)
    with pytest.raises(ValueError, match="y has 1 columns, and the network gives 2 numbers"):
        encode_targets("Net", [0.1, 0.2], "auto", 2, like=pairs)
    labels = encode_targets("Net", [[0, 1], [1, 1]], "auto", 2)
    with pytest.raises(ValueError, match="y must be a matrix of 0 and 1"):
        encode_targets("Net", [[0, 2], [1, 1]], "auto", 2, like=labels)
