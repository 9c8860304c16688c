"""Several inputs of one network."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.exceptions import NetworkError
from convnet_features.network.inputs import Inputs, check_input_names, check_integers


def test_rows_are_taken_from_all():
    inputs = Inputs({"a": np.arange(7), "b": np.arange(21).reshape(7, 3)})
    assert len(inputs) == 7
    assert inputs.shapes == {"a": (), "b": (3,)}
    chosen = inputs[[5, 2]]
    np.testing.assert_array_equal(chosen.arrays["a"], [5, 2])
    np.testing.assert_array_equal(chosen.arrays["b"], [[15, 16, 17], [6, 7, 8]])


def test_lengths_that_differ_are_told():
    with pytest.raises(ValueError, match=r"as many samples; 'a' has 3, 'b' has 2\.$"):
        Inputs({"a": np.zeros(3), "b": np.zeros(2)})
    with pytest.raises(ValueError, match=r"as many samples; there is none\.$"):
        Inputs({})


def test_what_lacks_and_what_is_too_much():
    check_input_names(["b", "a"], ["a", "b"])
    with pytest.raises(
        NetworkError,
        match=r"^X lacks 'b'; it has, and no input layer is called, 'c', 'd'\. The network's "
        r"input layers are 'a', 'b'; give X as a dictionary",
    ):
        check_input_names(["a", "c", "d"], ["a", "b"])


def test_whole_numbers_of_any_dtype():
    words = np.array([[0, 3], [16_777_217, 2]])
    for dtype in ("int64", "float64"):
        taken = check_integers("words", words.astype(dtype), "int32", None)
        assert taken.dtype == np.int32
        np.testing.assert_array_equal(taken, words)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, r"input 'words' takes whole numbers \(int32\); it holds np.float64\(1.5\)"),
        (5, r"goes to an embedding of 5 rows; it holds 5\. Give numbers from 0 to 4"),
        (-1, r"goes to an embedding of 5 rows; it holds -1\."),
    ],
)
def test_numbers_that_name_no_row(value, message):
    with pytest.raises(ValueError, match=message):
        check_integers("words", np.array([0, value]), "int32", 5)
