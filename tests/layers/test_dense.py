"""Dense layers with leading axes."""

from __future__ import annotations

import numpy as np
import pytest
import theano

from convnet_features.layers import DenseLayer

from ..helpers import assert_close


@pytest.mark.parametrize(
    ("leading", "rows"), [(1, (60, 2)), (2, (20, 3)), (3, (5, 4)), (-1, (5, 4)), (0, None)]
)
def test_values(leading, rows, rng):
    shape = (2, 3, 4, 5)
    values = rng.normal(size=shape).astype("float32")
    layer = DenseLayer(shape, 7, num_leading_axes=leading, nonlinearity=None)
    layer.b.set_value(rng.normal(size=7).astype("float32"))
    kept = shape[:leading]
    flat = np.float64(values).reshape(*kept, -1)
    y = layer.get_output_for(theano.shared(values)).eval()
    assert_close(y, flat @ layer.W.get_value() + layer.b.get_value(), "float32")
    assert layer.output_shape == y.shape == (*kept, 7)
    assert layer.get_params(regularizable=True) == [layer.W]


@pytest.mark.parametrize(
    ("shape", "leading", "text"),
    [
        ((2, 3), 2, "Got num_leading_axes=2 for a 2-dimensional input, leaving no trailing axes"),
        (
            (2, 3),
            -3,
            "Got num_leading_axes=-3 for a 2-dimensional input, leaving more trailing axes",
        ),
        ((2, None, 3, None), 2, "requires a fixed input shape .except for the leading axes."),
    ],
)
def test_refusals(shape, leading, text):
    with pytest.raises(ValueError, match=text):
        DenseLayer(shape, 4, num_leading_axes=leading)


def test_unknown_leading_sizes():
    layer = DenseLayer((None, None, 3), 4, num_leading_axes=2, b=None)
    assert layer.output_shape == (None, None, 4)
    y = layer.get_output_for(theano.shared(np.ones((2, 5, 3), "float32"))).eval()
    assert y.shape == (2, 5, 4)
