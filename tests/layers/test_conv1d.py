"""One-dimensional convolution with later Lasagne's arguments."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne.theano_extensions import conv as implementations
from theano import tensor as T

from convnet_features.layers import Conv1DLayer

from .. import reference
from ..helpers import assert_close

LAYERS = {
    "plain": {},
    "correlates": {"flip_filters": False, "stride": 2, "pad": 1},
    "same": {"pad": "same"},
    "full": {"pad": "full", "untie_biases": True},
    "groups, dilated": {"num_groups": 2, "dilation": 3, "b": None},
    "another implementation": {"convolution": implementations.conv1d_md, "pad": 2},
}


@pytest.mark.parametrize("name", LAYERS)
def test_equals_loops_over_images_of_one_row(name, rng):
    arguments = LAYERS[name]
    layer = Conv1DLayer((None, 4, 11), 6, 3, **arguments)
    rows = rng.normal(size=(2, 4, 11)).astype("float32")
    if layer.b is not None:
        layer.b.set_value(rng.normal(size=layer.b.get_value().shape).astype("float32"))
    extent = 2 * layer.dilation[0] + 1
    pad = {"full": (extent - 1,) * 2, "same": (extent // 2,) * 2}.get(layer.pad) or layer.pad * 2
    expected = reference.conv2d(
        rows[:, :, None],
        layer.W.get_value()[:, :, None],
        (1, *layer.stride),
        ((0, 0), pad),
        layer.flip_filters,
        layer.num_groups,
        (1, *layer.dilation),
    )[:, :, 0]
    if layer.b is not None:
        b = layer.b.get_value()
        expected = expected + (b if layer.untie_biases else b[:, None])
    x = T.tensor3("x")
    y = theano.function([x], layer.get_output_for(x))(rows)
    assert_close(y, np.maximum(expected, 0), "float32")
    assert layer.output_shape[1:] == y.shape[1:]


def test_a_convolution_of_the_users_own_sees_padded_rows(rng):
    seen = {}

    def convolution(input, filters, **keywords):
        seen.update(keywords)
        return implementations.conv1d_mc0(input, filters, **keywords)

    rows = rng.normal(size=(2, 3, 7)).astype("float32")
    own = Conv1DLayer((2, 3, 7), 4, 3, pad=2, flip_filters=False, convolution=convolution)
    plain = Conv1DLayer((2, 3, 7), 4, 3, pad=2, flip_filters=False, W=own.W)
    x = theano.shared(rows)
    assert_close(own.get_output_for(x).eval(), plain.get_output_for(x).eval(), "float32")
    assert seen["image_shape"] == (2, 3, 11)
    assert seen["border_mode"] == "valid"
    with pytest.raises(ValueError, match="num_groups and dilation need the default convolution"):
        Conv1DLayer((2, 4, 7), 4, 3, num_groups=2, convolution=convolution)


def test_images_are_no_rows():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 7, 7\). Expected 3 input dimensions"):
        Conv1DLayer((2, 3, 7, 7), 4, 3)
