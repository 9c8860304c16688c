"""Entries of an axis in another order."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.layers import TakeLayer

from .checked import assert_computes


@pytest.mark.parametrize(
    ("axis", "indices"), [(1, [2, 0, 0, 1]), (2, [-1, 3]), (-1, [4, 4]), (3, np.arange(5)[::-1])]
)
def test_values_and_gradients(axis, indices, rng):
    assert_computes(
        lambda incoming: TakeLayer(incoming, indices, axis),
        lambda x: np.take(x, indices, axis),
        [rng.normal(size=(2, 3, 4, 5))],
        rng,
    )


@pytest.mark.parametrize(
    ("indices", "axis", "text"),
    [
        ([0], 0, r"axis=0 of an input of shape \(None, 3, None\); the axis must be one behind"),
        ([0], 2, "of known size"),
        ([0], 3, "axis=3 of an input"),
        ([3], 1, r"indices=\[3\] of 3 entries; give a list of whole numbers from -3 to 2"),
        ([-4], 1, "of 3 entries"),
        ([], 1, "of 3 entries"),
        ([0.5], 1, "of 3 entries"),
        ([[0]], 1, "of 3 entries"),
    ],
)
def test_what_does_not_fit(indices, axis, text):
    with pytest.raises(ValueError, match=f"TakeLayer: .*{text}"):
        TakeLayer((None, 3, None), indices, axis)
