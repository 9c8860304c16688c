"""Integers that are known before a graph runs."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from convnet_features.ops.static import static_int, static_slice, static_vector

X = pt.tensor4("x", shape=(None, 3, 7, 11))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (np.int64(5), 5),
        (pt.constant(-3), -3),
        (X.shape[1], 3),
        (X.shape[-1], 11),
        (X.shape[2] + X.shape[3], 18),
        (X.shape[2] - 9, -2),
        (X.shape[2] * 2 * X.shape[1], 42),
        (X.shape[3] // 2, 5),
        (-X.shape[3] // 2, -6),
        (-(X.shape[3] // 2), -5),
        (pt.cast(X.shape[2], "int32"), 7),
        (pt.stack([X.shape[2], 4])[1], 4),
    ],
)
def test_what_can_be_known(value, expected):
    assert static_int(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        X.shape[0],
        X.shape[0] + 1,
        pt.iscalar(),
        pt.lvector()[0],
        X.shape[2] // pt.constant(0),
        X.shape[pt.iscalar()],
        pt.cast(X.shape[2] * 0.5, "int64"),
        pt.cast(X.shape[3] * 100, "int8"),
        pt.maximum(X.shape[2], 3),
        pt.as_tensor(2.5),
        pt.as_tensor([1, 2]),
        X.shape[2:4][0],
    ],
)
def test_what_only_running_tells(value):
    assert static_int(value) is None


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize("start", [None, -7, -5, -2, 0, 2, 5, 7])
@pytest.mark.parametrize("stop", [None, -7, -5, -2, 0, 2, 5, 7])
def test_slices_are_pythons(start, stop, size):
    first, last = static_slice(start, stop, size)
    assert 0 <= first <= last <= size
    assert list(range(size))[start:stop] == list(range(first, last))


def test_slices_with_symbolic_bounds():
    assert static_slice(X.shape[1], -X.shape[1], 11) == (3, 8)
    assert static_slice(pt.iscalar(), None, 11) is None
    assert static_slice(None, X.shape[0], 11) is None


def test_vectors():
    assert static_vector(pt.constant([2, 3]), 2) == (2, 3)
    assert static_vector(pt.stack([X.shape[0], X.shape[1] * 2]), 2) == (None, 6)
    assert static_vector(X.shape, 4) == (None, 3, 7, 11)
    assert static_vector(pt.lvector(), 3) == (None, None, None)
