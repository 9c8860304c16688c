"""Enlarging by repetition and by zeros."""

from __future__ import annotations

import numpy as np
import pytest
import theano

from convnet_features.layers import Upscale1DLayer, Upscale2DLayer, Upscale3DLayer

KINDS = {1: Upscale1DLayer, 2: Upscale2DLayer, 3: Upscale3DLayer}


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("mode", ["repeat", "dilate"])
@pytest.mark.parametrize("n", KINDS)
def test_values(n, mode, unknown, rng):
    values = rng.normal(size=(2, 3, 4, 5, 2)[: n + 2]).astype("float32")
    factors = (2, 3, 1)[:n]
    shape = (None, 3, *[None] * n) if unknown else values.shape
    layer = KINDS[n](shape, factors, mode)
    if mode == "repeat":
        expected = values
        for axis, factor in enumerate(factors, start=2):
            expected = np.repeat(expected, factor, axis)
    else:
        expected = np.zeros((2, 3, *np.multiply(values.shape[2:], factors)), "float32")
        expected[(..., *(slice(None, None, factor) for factor in factors))] = values
    y = layer.get_output_for(theano.shared(values)).eval()
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == values.dtype
    assert layer.get_output_shape_for(values.shape) == expected.shape
    assert layer.output_shape == ((None, 3, *[None] * n) if unknown else expected.shape)


def test_gradient_adds_up_what_was_repeated():
    x = theano.shared(np.ones((1, 1, 2, 2), "float32"))
    repeated = Upscale2DLayer((1, 1, 2, 2), 3).get_output_for(x)
    np.testing.assert_array_equal(theano.grad(repeated.sum(), x).eval(), np.full((1, 1, 2, 2), 9))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0,), "Scale factor must be >= 1, not"),
        ((2, "bilinear"), 'Mode must be either "repeat" or "dilate", not bilinear'),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ValueError, match=text):
        Upscale2DLayer((None, 1, 4, 4), *arguments)
    with pytest.raises(ValueError, match=r"shape \(None, 1, 4\); expected 4 dimensions"):
        Upscale2DLayer((None, 1, 4), 2)
