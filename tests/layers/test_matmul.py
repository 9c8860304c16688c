"""Matrix products of two values."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.layers import MatMulLayer

from .checked import assert_computes

SIZES = [[(4, 5), (5, 3)], [(2, 4, 5), (2, 5, 3)], [(1, 4, 5), (3, 5, 2)], [(3, 4, 5), (1, 5, 2)]]


@pytest.mark.parametrize("sizes", SIZES)
def test_values_and_gradients(sizes, rng):
    values = [rng.normal(size=(2, *size)) for size in sizes]
    assert_computes(MatMulLayer, np.matmul, values, rng)


@pytest.mark.parametrize(
    "shapes",
    [
        [(None, 4, 5), (None, 4, 5)],
        [(None, 5), (None, 5)],
        [(None, 2, 4, 5), (None, 3, 5, 4)],
        [(None, 4, 5), (None, 1, 5, 4)],
        [(None, 4, 4)] * 3,
    ],
)
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(
        ValueError, match=r"MatMulLayer: its inputs have the shapes .*there must be"
    ):
        _ = MatMulLayer(shapes).output_shape
