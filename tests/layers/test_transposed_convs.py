"""Transposed convolution of rows and of volumes, against adding voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne.init import Normal
from theano import tensor as T

from convnet_features.layers import (
    Deconv1DLayer,
    Deconv3DLayer,
    TransposedConv1DLayer,
    TransposedConv3DLayer,
)

from ..helpers import assert_close, assert_derivative

KINDS = {1: TransposedConv1DLayer, 3: TransposedConv3DLayer}


def spread(x, W, b, stride, crop, flip, groups, dilation, size):
    """Each voxel adds its filters to the result, in float64; W is (channels, filters, ...)."""
    n = x.ndim - 2
    W = W if flip else np.flip(W, tuple(range(2, 2 + n)))
    own, filters = x.shape[1] // groups, W.shape[1]
    whole = [
        (x.shape[2 + k] - 1) * stride[k] + (W.shape[2 + k] - 1) * dilation[k] + 1 + stride[k]
        for k in range(n)
    ]
    y = np.zeros((len(x), filters * groups, *whole))
    for c, *place in np.ndindex(x.shape[1:]):
        first = c // own * filters
        at = tuple(
            slice(i * s, i * s + (taps - 1) * d + 1, d)
            for i, s, taps, d in zip(place, stride, W.shape[2:], dilation, strict=True)
        )
        y[(slice(None), slice(first, first + filters), *at)] += np.multiply.outer(
            x[(slice(None), c, *place)], W[c]
        )
    cut = tuple(slice(a, a + more) for a, more in zip(crop, size, strict=True))
    return y[(slice(None), slice(None), *cut)] + b.reshape(-1, *[1] * n)


# n: (stride, filter_size, crop, flip_filters, num_groups, dilation, output_size)
LAYERS = {
    "rows": (1, (1,), (3,), (0,), False, 1, (1,), (8,)),
    "rows, twice as long": (1, (2,), (4,), (1,), True, 2, (1,), (12,)),
    "rows, one more": (1, (3,), (2,), (0,), False, 1, (2,), (20,)),
    "volumes": (3, (1, 1, 1), (2, 3, 1), (0, 0, 0), False, 1, (1, 1, 1), (4, 6, 5)),
    "volumes, strided": (3, (2, 1, 3), (3, 2, 3), (1, 0, 1), True, 2, (1, 2, 1), (6, 6, 14)),
    "volumes, with gaps": (3, (3, 2, 1), (2, 2, 3), (0, 1, 1), False, 1, (2, 1, 2), (9, 6, 7)),
}


@pytest.mark.parametrize("of", ["known", "unknown", "the run"])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_adding_voxel_by_voxel(name, of, rng):
    n, stride, filter_size, crop, flip, groups, dilation, size = LAYERS[name]
    sizes = (3, 4, 5)[:n] if n == 3 else (6,)
    output_size = theano.shared(np.array(size)) if of == "the run" else size
    layer = KINDS[n](
        (None, 4, *(sizes if of == "known" else [None] * n)),
        6,
        filter_size,
        stride,
        crop,
        flip_filters=flip,
        output_size=output_size,
        num_groups=groups,
        dilation=dilation,
        b=Normal(1),
        nonlinearity=None,
    )
    assert layer.W.get_value().shape == layer.get_W_shape() == (4, 6 // groups, *filter_size)
    assert layer.output_shape == (None, 6, *([None] * n if of == "the run" else size))
    W, b = (np.float64(each.get_value()) for each in (layer.W, layer.b))
    x = rng.normal(size=(2, 4, *sizes))
    layer.W, layer.b = T.TensorType("float64", [False] * (n + 2))(), T.dvector()
    inputs = [T.TensorType("float64", [False] * (n + 2))(), layer.W, layer.b]
    y = layer.get_output_for(inputs[0])
    loss = T.sum(T.tanh(y))
    function = theano.function(inputs, [y, loss, *theano.grad(loss, inputs)])
    found, _, *gradients = function(x, W, b)
    expected = spread(x, W, b, stride, crop, flip, groups, dilation, size)
    assert_close(found, expected, "float64")
    assert_derivative(lambda *args: float(function(*args)[1]), [x, W, b], gradients, rng)


def test_the_smallest_size_is_the_default():
    assert TransposedConv3DLayer((2, 3, 4, 5, 6), 7, 3, 2).output_shape == (2, 7, 9, 11, 13)
    assert Deconv1DLayer((2, 3, None), 7, 3).output_shape == (2, 7, None)
    same = Deconv3DLayer((2, 3, 4, 5, 6), 2, 3, crop="same")
    assert same.output_shape == (2, 2, 4, 5, 6)
    images = theano.shared(np.ones((2, 3, 4, 5, 6), "float32"))
    assert same.get_output_for(images).eval().shape == same.output_shape


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"gives 7x9x11 pixels, and with stride=\(2, 2, 2\)"):
        TransposedConv3DLayer((None, 2, 3, 4, 5), 2, 3, 2, output_size=(7, 9, 14))
    with pytest.raises(NotImplementedError, match="crop='same' requires odd filter size; got 4"):
        TransposedConv1DLayer((None, 2, 3), 2, 4, crop="same")
    for wrong in ((6, 9, 11), (7, 9, 13), (9, 9, 11)):
        size = theano.shared(np.array(wrong))
        layer = TransposedConv3DLayer((None, 2, 3, 4, 5), 2, 3, 2, output_size=size)
        with pytest.raises(AssertionError, match="TransposedConv3DLayer: output_size does not fit"):
            layer.get_output_for(theano.shared(np.ones((1, 2, 3, 4, 5), "float32"))).eval()
