"""Dropout along whole axes."""

from __future__ import annotations

import numpy as np
import pytest
import theano

from convnet_features.layers import (
    AlphaDropoutLayer,
    DropoutLayer,
    alpha_dropout,
    dropout_channels,
    dropout_locations,
    spatial_dropout,
)
from convnet_features.nonlinearities import SELU


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("shared_axes", [(0,), (2, 3), (-1, -2)])
def test_is_the_same_along_shared_axes(shared_axes, unknown):
    shape = (20, 10, 7, 5)
    layer = DropoutLayer((None, 10, 7, 5) if unknown else shape, p=0.4, shared_axes=shared_axes)
    y = layer.get_output_for(theano.shared(np.ones(shape, "float32"))).eval()
    assert y.dtype == np.float32
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.6], rtol=1e-6)
    axes = tuple(axis % 4 for axis in shared_axes)
    assert np.ptp(y, axis=axes).max() == 0
    others = tuple(axis for axis in range(4) if axis not in axes)
    assert np.ptp(y, axis=others).min() > 0
    assert abs(y.mean() - 1) < 0.35


def test_without_rescaling_and_once_trained():
    x = theano.shared(np.ones((50, 8, 3), "float32"))
    layer = DropoutLayer((50, 8, 3), p=0.3, rescale=False, shared_axes=(2,))
    assert set(np.unique(layer.get_output_for(x).eval())) == {0.0, 1.0}
    assert layer.get_output_for(x, deterministic=True) is x


def test_short_names():
    for function in (dropout_channels, spatial_dropout):
        shared = [function(shape).shared_axes for shape in ((2, 3), (None,) * 3, (1, 2, 3, 4))]
        assert shared == [(), (2,), (2, 3)]
    assert dropout_locations((None, 2, 3, 4), p=0.2, name="drop").shared_axes == (1,)
    assert dropout_channels((2, 3), 0.2).p == 0.2


def test_alpha_dropout_keeps_mean_and_variance(rng):
    x = rng.normal(size=(400, 500)).astype("float32")
    layer = AlphaDropoutLayer((400, 500), p=0.2)
    y = layer.get_output_for(theano.shared(x)).eval()
    assert y.dtype == np.float32
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02
    # a and b of the paper, for a share q that stays.
    q, alpha = 0.8, -1.0507009873554805 * 1.6732632423543772
    a = (q + alpha**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * alpha
    dropped = np.isclose(y, a * alpha + b, atol=1e-6)
    assert abs(dropped.mean() - 0.2) < 0.005
    np.testing.assert_allclose(y[~dropped], a * x[~dropped] + b, rtol=1e-4, atol=1e-5)
    assert layer.get_output_for(x, deterministic=True) is x


def test_alpha_dropout_of_channels_and_of_other_nonlinearities():
    shape = (20, 10, 7, 5)
    x = theano.shared(np.ones(shape, "float32"))
    layer = alpha_dropout(shape, 0.4, rescale=False, shared_axes=(2, 3), alpha=SELU(2, 1.5))
    y = layer.get_output_for(x).eval()
    assert set(np.unique(y)) == {-3.0, 1.0}
    assert np.ptp(y, axis=(2, 3)).max() == 0
    assert AlphaDropoutLayer(shape).p == 0.1
