"""Validation data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from convnet_features.nolearn import TrainSplit

NET = SimpleNamespace(regression=False)


def test_in_a_drawn_order():
    X, y = np.arange(40.0).reshape(40, 1), np.repeat([0, 1], 20)
    X_kept, y_kept = X.copy(), y.copy()
    split = TrainSplit(0.25, shuffle=True)
    first, second = split(X, y, NET), split(X, y, NET)
    assert (first[1] != second[1]).any()
    np.testing.assert_array_equal(first[1], TrainSplit(0.25, shuffle=True)(X, y, NET)[1])
    assert (first[1] != TrainSplit(0.25, shuffle=True, seed=3)(X, y, NET)[1]).any()
    for X_train, X_valid, y_train, y_valid in (first, second):
        np.testing.assert_array_equal(np.sort(np.vstack([X_train, X_valid]), axis=0), X)
        np.testing.assert_array_equal(y_valid, (X_valid[:, 0] >= 20).astype(int))
        assert (len(y_train), y_valid.mean()) == (30, 0.5)
    np.testing.assert_array_equal(X, X_kept)
    np.testing.assert_array_equal(y, y_kept)


@pytest.mark.parametrize("eval_size", [0, 0.2])
def test_a_dictionary_is_split_alike(eval_size):
    X = {"a": np.arange(10), "b": np.arange(20).reshape(10, 2)}
    X_train, X_valid, y_train, _ = TrainSplit(eval_size)(X, np.arange(10) % 2, NET)
    assert len(X_train["a"]) == len(X_train["b"]) == len(y_train) == round(10 * (1 - eval_size))
    np.testing.assert_array_equal(X_valid["b"][:, 0], 2 * X_valid["a"])
