"""Filters of each pixel's own; and dilated convolution by its own name."""

from __future__ import annotations

import numpy as np
import pytest
import theano

from convnet_features.layers import Conv2DLayer, DilatedConv2DLayer, LocallyConnected2DLayer

from ..helpers import assert_close


@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_equals_loops(channelwise, flip, rng):
    images = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = LocallyConnected2DLayer(
        (None, 3, 4, 5), 3, (3, 5), flip_filters=flip, channelwise=channelwise, nonlinearity=None
    )
    W = np.float64(layer.W.get_value())
    assert W.shape == ((3, 3, 5, 4, 5) if channelwise else (3, 3, 3, 5, 4, 5))
    flat = W.reshape(3, -1, 3, 5, 4, 5)
    flat = flat[:, :, ::-1, ::-1] if flip else flat
    padded = np.pad(np.float64(images), [(0, 0), (0, 0), (1, 1), (2, 2)])
    expected = np.zeros((2, 3, 4, 5))
    for k, i, j in np.ndindex(3, 4, 5):
        window = padded[:, k : k + 1 if channelwise else None, i : i + 3, j : j + 5]
        window = window if channelwise else padded[:, :, i : i + 3, j : j + 5]
        expected[:, k, i, j] = (window * flat[k, :, :, :, i, j]).sum((1, 2, 3))
    y = layer.get_output_for(theano.shared(images)).eval()
    assert_close(y, expected, "float32")
    assert layer.output_shape == (None, *y.shape[1:])


@pytest.mark.parametrize(
    ("shape", "arguments", "error", "text"),
    [
        ((2, 2, 4, 4), {"pad": "valid"}, NotImplementedError, "requires pad='same'; got 'valid'"),
        ((2, 2, 4, 4), {"stride": 2}, NotImplementedError, r"requires stride=1 / \(1, 1\); got 2"),
        ((2, 3, 4, 4), {"channelwise": True}, ValueError, "number of input channels should match"),
        (
            (2, None, 4, 4),
            {},
            ValueError,
            "requires a fixed input shape .except for the batch size",
        ),
    ],
)
def test_refusals(shape, arguments, error, text):
    with pytest.raises(error, match=text):
        LocallyConnected2DLayer(shape, 4, 3, **arguments)


def test_dilated_filters_have_the_channels_first(rng):
    images = theano.shared(rng.normal(size=(2, 3, 9, 10)).astype("float32"))
    layer = DilatedConv2DLayer((None, 3, 9, 10), 4, (2, 3), dilation=(3, 2))
    assert layer.W.get_value().shape == (3, 4, 2, 3)
    other = Conv2DLayer(
        (None, 3, 9, 10),
        4,
        (2, 3),
        W=layer.W.get_value().transpose(1, 0, 2, 3),
        flip_filters=False,
        dilation=(3, 2),
    )
    y = layer.get_output_for(images).eval()
    np.testing.assert_array_equal(y, other.get_output_for(images).eval())
    assert layer.output_shape == other.output_shape == (None, 4, 6, 6)
    for pad in ("same", "full", 1):
        with pytest.raises(NotImplementedError, match="requires pad=0; got"):
            DilatedConv2DLayer((2, 3, 9, 9), 2, 3, pad=pad)
    with pytest.raises(NotImplementedError, match="requires flip_filters=False"):
        DilatedConv2DLayer((2, 3, 9, 9), 2, 3, flip_filters=True)
