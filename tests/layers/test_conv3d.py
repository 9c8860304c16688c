"""Convolution and pooling of volumes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import theano
from theano import tensor as T

from convnet_features.layers import Conv3DLayer, MaxPool3DLayer, Pool3DLayer

from ..helpers import assert_close, assert_derivative

LAYERS = {
    "plain": {},
    "correlates, strided": {"flip_filters": False, "stride": (2, 1, 2), "pad": (1, 0, 2)},
    "same": {"pad": "same", "untie_biases": True},
    "full, groups": {"pad": "full", "num_groups": 2},
    "dilated": {"dilation": (2, 1, 2), "b": None, "pad": 2},
}


def convolved(x, W, stride, pads, flip, groups, dilation):
    """Add one tap of the filters at a time, in float64."""
    x = np.pad(np.float64(x), [(0, 0), (0, 0), *pads])
    W = W[:, :, ::-1, ::-1, ::-1] if flip else W
    own = W.shape[1]
    full = np.zeros((len(W), own * groups, *W.shape[2:]))
    for k, filters in enumerate(W):
        first = k // (len(W) // groups) * own
        full[k, first : first + own] = filters
    taps = W.shape[2:]
    sizes = [(x.shape[2 + a] - (taps[a] - 1) * dilation[a] - 1) // stride[a] + 1 for a in range(3)]
    y = np.zeros((len(x), len(W), *sizes))
    for tap in itertools.product(*map(range, taps)):
        places = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilation, sizes, stride, strict=True)
        )
        y += np.einsum("ncdhw,kc->nkdhw", x[(slice(None), slice(None), *places)], full[(..., *tap)])
    return y


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_loops(name, unknown, rng):
    arguments = LAYERS[name]
    if unknown and "untie_biases" in arguments:
        arguments = {"pad": "same"}
    volumes = rng.normal(size=(2, 4, 5, 6, 7)).astype("float32")
    shape = (None, 4, None, None, None) if unknown else (None, 4, 5, 6, 7)
    layer = Conv3DLayer(shape, 6, (3, 2, 3) if "same" not in name else 3, **arguments)
    if layer.b is not None:
        layer.b.set_value(rng.normal(size=layer.b.get_value().shape).astype("float32"))
    extents = [(t - 1) * d + 1 for t, d in zip(layer.filter_size, layer.dilation, strict=True)]
    named = {"same": [e // 2 for e in extents], "full": [e - 1 for e in extents]}
    pads = [(p, p) for p in named.get(layer.pad, layer.pad)]
    expected = convolved(
        volumes,
        layer.W.get_value(),
        layer.stride,
        pads,
        layer.flip_filters,
        layer.num_groups,
        layer.dilation,
    )
    if layer.b is not None:
        b = layer.b.get_value()
        expected = expected + (b if layer.untie_biases else b[:, None, None, None])
    y = layer.get_output_for(theano.shared(volumes)).eval()
    assert_close(y, np.maximum(expected, 0), "float32")
    assert layer.get_output_shape_for(volumes.shape) == y.shape


def test_gradient(rng):
    values = [rng.normal(size=(2, 2, 4, 3, 5)), rng.normal(size=(3, 2, 2, 2, 3))]
    x, w = (T.TensorType("float64", [False] * 5)(name) for name in "xw")
    layer = Conv3DLayer((None, 2, 4, 3, 5), 3, (2, 2, 3), stride=(2, 1, 1), pad=1)
    layer.W, layer.b, layer.nonlinearity = w, None, T.tanh
    loss = T.sum(layer.get_output_for(x) ** 2)
    function = theano.function([x, w], [loss, *theano.grad(loss, [x, w])])
    _, *gradients = function(*values)
    assert_derivative(lambda *args: float(function(*args)[0]), values, gradients, rng)


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
def test_pooling(mode, rng):
    volumes = rng.normal(size=(2, 3, 5, 6, 7)).astype("float32")
    layer = Pool3DLayer((None, 3, 5, 6, 7), (2, 3, 2), stride=(1, 2, 2), pad=(1, 0, 1), mode=mode)
    y = layer.get_output_for(theano.shared(volumes)).eval()
    assert layer.output_shape[1:] == y.shape[1:]
    empty = -np.inf if mode == "max" else 0
    around = [(0, 0), (0, 0), (1, 1), (0, 0), (1, 1)]
    padded = np.pad(np.float64(volumes), around, constant_values=empty)
    inside = np.pad(np.ones(volumes.shape), around)
    for place in np.ndindex(*y.shape[2:]):
        at = tuple(
            slice(i * s, i * s + n) for i, s, n in zip(place, (1, 2, 2), (2, 3, 2), strict=True)
        )
        window, counted = padded[(..., *at)], inside[(..., *at)]
        total = window.sum((2, 3, 4))
        expected = {
            "max": window.max((2, 3, 4)),
            "sum": total,
            "average_inc_pad": total / 12,
            "average_exc_pad": total / counted.sum((2, 3, 4)),
        }[mode]
        assert_close(y[(..., *place)], expected, "float32")


def test_maximum_is_a_pooling():
    assert MaxPool3DLayer((None, 3, 4, 6, 8), 2).output_shape == (None, 3, 2, 3, 4)
    with pytest.raises(ValueError, match="3D pooling layer with input shape"):
        MaxPool3DLayer((None, 3, 6, 8), 2)
