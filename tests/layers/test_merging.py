"""Merging layers that crop."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne.layers.base import MergeLayer
from theano import tensor as T

from convnet_features.layers import (
    ConcatLayer,
    ElemwiseMergeLayer,
    ElemwiseSumLayer,
    autocrop,
    autocrop_array_shapes,
)


def test_each_mode(rng):
    a, b = rng.normal(size=(2, 3, 9, 8, 6)), rng.normal(size=(2, 5, 6, 5, 7))
    modes = [None, None, "lower", "center", "upper"]
    for known in (True, False):
        inputs = [theano.shared(each) for each in (a, b)]
        if known:
            inputs = [
                T.specify_shape(each, value.shape)
                for each, value in zip(inputs, (a, b), strict=True)
            ]
        x, y = (each.eval() for each in autocrop(inputs, modes))
        np.testing.assert_array_equal(x, a[:, :, :6, 1:6, :6])
        np.testing.assert_array_equal(y, b[:, :, :6, :, 1:])
    assert autocrop_array_shapes([a.shape, b.shape], modes) == [x.shape, y.shape]
    assert autocrop([a, b], None) == [a, b]


def test_unknown_sizes_stay_unknown():
    shapes = autocrop_array_shapes([(None, 3, 5), (None, None, 4)], ["lower", "lower", "upper"])
    assert shapes == [(None, None, 4), (None, None, 4)]


def test_refusals():
    with pytest.raises(ValueError, match="Unknown crop mode 'middle'"):
        autocrop_array_shapes([(2, 3), (2, 4)], [None, "middle"])
    with pytest.raises(ValueError, match=r"Got 2 inputs of dimensionalities \[2, 3\]"):
        autocrop_array_shapes([(2, 3), (2, 4, 1)], ["lower"])
    with pytest.raises(ValueError, match="must be the same except in the concatenation axis"):
        ConcatLayer([(2, 3, 4), (2, 3, 5)]).output_shape  # noqa: B018
    with pytest.raises(ValueError, match="not all input shapes are the same"):
        ElemwiseSumLayer([(2, 3), (2, 4)]).output_shape  # noqa: B018
    with pytest.raises(ValueError, match="got 3 coeffs for 2 incomings"):
        ElemwiseSumLayer([(2, 3), (2, 3)], coeffs=[1, 2, 3])


def test_layers(rng):
    a, b = rng.normal(size=(2, 3, 5, 4)).astype("f"), rng.normal(size=(2, 3, 3, 6)).astype("f")
    incomings, values = [a.shape, b.shape], [theano.shared(a), theano.shared(b)]
    crop = [None, None, "center", "upper"]
    left, right = a[:, :, 1:4], b[:, :, :, 2:]
    for layer, expected in (
        (
            ConcatLayer(incomings, cropping=[None, "lower", *crop[2:]]),
            np.concatenate([left, right], 1),
        ),
        (ElemwiseMergeLayer(incomings, T.mul, crop), left * right),
        (ElemwiseSumLayer(incomings, [2, -1], cropping=crop), 2 * left - right),
        (ElemwiseSumLayer(incomings, 3, cropping=crop), 3 * left + 3 * right),
    ):
        y = layer.get_output_for(values).eval()
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        assert layer.output_shape == y.shape
        assert isinstance(layer, MergeLayer)


def test_sizes_that_one_input_knows():
    assert ConcatLayer([(None, 3, None), (7, 2, 5)]).output_shape == (7, 5, 5)
    assert ConcatLayer([(7, None, 5), (7, 2, 5)]).output_shape == (7, None, 5)
    assert ElemwiseSumLayer([(None, 3), (7, None)]).output_shape == (7, 3)
